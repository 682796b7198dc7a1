//! Finds the binary beside the test, and runs its commands.

use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// Longer than any command of the tests takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The folder that cargo builds into.
pub fn target_dir() -> Result<PathBuf> {
    let test = std::env::current_exe()?; // target/release/deps/e2e-…
    let target = test.ancestors().nth(3).context("a test lies in target/PROFILE/deps")?;
    Ok(target.to_owned())
}

/// The binary under test: the one that was built with the test, or the one that `DRAGOMAN` names.
pub fn path() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("DRAGOMAN") {
        return Ok(binary.into());
    }
    let test = std::env::current_exe()?;
    let binary = test.ancestors().nth(2).context("a test lies in target/PROFILE/deps")?;
    let binary = binary.join("dragoman");
    ensure!(
        binary.exists(),
        "there is no `{}`: run `cargo build --release --workspace` first, or `tests/run`",
        binary.display()
    );
    Ok(binary)
}

/// A command of the binary, free of the settings of whoever runs the tests.
#[derive(Debug)]
pub struct Dragoman {
    command: Command,
    stdin: Vec<u8>,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; none after a signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it logged.
    pub stderr: String,
}

impl Dragoman {
    /// A command with these arguments.
    pub fn new<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<Self> {
        let mut command = Command::new(path()?);
        command.args(args).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["LT_", "DRAGOMAN_", "OTEL_", "AWS_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&*name);
            }
        }
        Ok(Self { command, stdin: Vec::new() })
    }

    /// The same command with more arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// The same command with a variable set.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The same command, started in this folder.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// The same command, fed with this.
    #[must_use]
    pub fn stdin(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.stdin = content.into();
        self.command.stdin(Stdio::piped());
        self
    }

    /// Starts the command with its output in pipes.
    pub fn spawn(mut self) -> Result<Child> {
        let mut child =
            self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("spawn")?;
        if let Some(mut pipe) = child.stdin.take() {
            let content = self.stdin;
            // A command that refuses its input closes the pipe: that is no error of the test.
            thread::spawn(move || pipe.write_all(&content));
        }
        Ok(child)
    }

    /// Runs the command to its end.
    pub fn run(self) -> Result<Finished> {
        let what = format!("{:?}", self.command);
        finish(self.spawn()?).with_context(|| what)
    }

    /// Runs the command, which must succeed, and returns what it printed.
    pub fn stdout(self) -> Result<String> {
        let what = format!("{:?}", self.command);
        let finished = self.run()?;
        ensure!(
            finished.code == Some(0),
            "{what} ended with {:?}:\n{}",
            finished.code,
            finished.stderr
        );
        Ok(String::from_utf8(finished.stdout)?)
    }

    /// Runs the command, which must fail with a message and without a panic, and returns it.
    pub fn failure(self) -> Result<String> {
        let what = format!("{:?}", self.command);
        let Finished { code, stdout, stderr } = self.run()?;
        let stdout = String::from_utf8_lossy(&stdout);
        ensure!(
            code.is_some_and(|code| code != 0),
            "{what} ended with {code:?}:\n{stdout}\n{stderr}"
        );
        ensure!(!stderr.contains("panicked"), "{what} panicked:\n{stderr}");
        ensure!(!stderr.trim().is_empty(), "{what} failed without a word");
        Ok(stderr)
    }
}

/// Waits for `child`, and collects its output.
pub fn finish(mut child: Child) -> Result<Finished> {
    let stdout = child.stdout.take().map(|pipe| thread::spawn(|| read(pipe)));
    let stderr = child.stderr.take().map(|pipe| thread::spawn(|| read(pipe)));
    let status = wait(&mut child);
    let collect = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    let (stdout, stderr) = (collect(stdout), collect(stderr));
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    let status = status.with_context(|| format!("its log:\n{stderr}"))?;
    Ok(Finished { code: status.code(), stdout, stderr })
}

/// Waits for `child`, but not for ever.
pub fn wait(child: &mut Child) -> Result<std::process::ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("the command did not end in {} seconds", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends `child` a signal, such as `INT` for Ctrl-C.
pub fn signal(child: &Child, name: &str) -> Result<()> {
    let kill = format!("kill -{name} {}", child.id()); // a builtin of every shell
    ensure!(Command::new("sh").args(["-c", &kill]).status()?.success(), "`{kill}` failed");
    Ok(())
}

fn read(mut pipe: impl std::io::Read) -> Vec<u8> {
    let mut content = Vec::new();
    let _ = pipe.read_to_end(&mut content); // what was read until then is worth showing
    content
}
