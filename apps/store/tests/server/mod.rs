//! Debian's PostgreSQL with a cluster of its own, for tests of several crates.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Result, ensure};

/// The password of the user `dragoman` over TCP; over the socket none is asked for.
pub(crate) const PASSWORD: &str = "s3cret@word";

/// A server of PostgreSQL, stopped when it is dropped.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    schemas: AtomicUsize,
}

impl Server {
    /// None where PostgreSQL is not installed.
    pub(crate) fn start() -> Result<Option<Self>> {
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .map(|found| found.flatten().map(|entry| entry.path().join("bin")).collect())
            .unwrap_or_default();
        versions.sort();
        let Some(programs) = versions.pop().filter(|bin| bin.join("initdb").exists()) else {
            println!("skipped: stores in PostgreSQL: there is no /usr/lib/postgresql/*/bin/initdb");
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self { folder, programs, port, schemas: AtomicUsize::new(0) };
        std::fs::write(server.folder.path().join("password"), PASSWORD)?;
        if is_root() {
            let folder = server.folder.path();
            let owned = Command::new("chown").args(["-R", "postgres"]).arg(folder).status()?;
            ensure!(owned.success(), "the folder goes to the user postgres");
        }
        let password = server.folder.path().join("password").display().to_string();
        let options = ["--auth-local=trust", "--auth-host=scram-sha-256", "--username=dragoman"];
        let more = ["--encoding=UTF8", "--locale=C", "--no-sync", "--pwfile", &password, "-D"];
        server.run("initdb", &[options.as_slice(), more.as_slice()].concat())?;
        server.up()?;
        Ok(Some(server))
    }

    /// Starts it, after [`crash`](Self::crash) too.
    pub(crate) fn up(&self) -> Result<()> {
        let socket = self.folder.path().display();
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories='{socket}' \
             -c max_connections=200",
            self.port
        );
        let log = self.folder.path().join("log").display().to_string();
        self.run("pg_ctl", &["start", "-w", "-t", "120", "-l", &log, "-o", &options, "-D"])
    }

    /// Stops it at once, as a crash would.
    pub(crate) fn crash(&self) -> Result<()> {
        self.run("pg_ctl", &["stop", "-w", "-m", "immediate", "-D"])
    }

    /// Turns encryption on with a certificate and its key, both in PEM.
    pub(crate) fn encrypt(&self, certificate: &str, key: &str) -> Result<()> {
        let folder = self.folder.path();
        let place = |name: &str| folder.join(name);
        for (name, text) in [("server.pem", certificate), ("server.key", key)] {
            std::fs::write(place(name), text)?;
            let set = Command::new("chmod").arg("600").arg(place(name)).status()?;
            ensure!(set.success(), "{name} is nobody else's");
            if is_root() {
                let owned = Command::new("chown").arg("postgres").arg(place(name)).status()?;
                ensure!(owned.success(), "{name} goes to the user postgres");
            }
        }
        let folder = folder.display();
        self.sql(&format!("ALTER SYSTEM SET ssl_cert_file = '{folder}/server.pem'"))?;
        self.sql(&format!("ALTER SYSTEM SET ssl_key_file = '{folder}/server.key'"))?;
        self.sql("ALTER SYSTEM SET ssl = on")?;
        self.run("pg_ctl", &["restart", "-w", "-m", "fast", "-D"])
    }

    /// The address of a schema in which there is nothing yet.
    pub(crate) fn fresh(&self) -> Result<PathBuf> {
        let schema = format!("s{}", self.schemas.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE SCHEMA {schema}"))?;
        let socket = self.folder.path().display().to_string().replace('/', "%2F");
        let (port, path) = (self.port, format!("options=-csearch_path%3D{schema}"));
        Ok(format!("postgres://dragoman@{socket}:{port}/postgres?{path}").into())
    }

    /// The address over TCP, with a password.
    pub(crate) fn over_tcp(&self, password: &str) -> PathBuf {
        let password = password.replace('@', "%40");
        format!("postgres://dragoman:{password}@127.0.0.1:{}/postgres", self.port).into()
    }

    /// Lets `psql` do something, and returns what it prints.
    pub(crate) fn sql(&self, command: &str) -> Result<String> {
        let output = self
            .command("psql")
            .args(["-q", "-t", "-A", "-U", "dragoman", "-d", "postgres", "-c", command, "-h"])
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string()])
            .output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "psql -c '{command}': {error}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let data = self.folder.path().join("data");
        // Not `output`: a server that goes on would hold its pipes open.
        let errors = std::fs::File::create(self.folder.path().join("errors"))?;
        let mut command = self.command(program);
        command.args(arguments).arg(data).stdout(Stdio::null()).stderr(errors);
        let is_done = command.status()?.success();
        let errors = || std::fs::read_to_string(self.folder.path().join("errors"));
        ensure!(is_done, "{program}: {}", errors().unwrap_or_default());
        Ok(())
    }

    /// PostgreSQL refuses to run as root; its package makes a user for it.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
                command.arg(program);
                command
            }
            false => Command::new(program),
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.crash(); // it may not run
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
