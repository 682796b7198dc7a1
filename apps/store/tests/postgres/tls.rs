//! Encrypted connections, and certificates that are refused.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use dragoman_store::{DEFAULT_TENANT, Store, Suggestion};

use super::server::{PASSWORD, Server};

/// Lets `openssl` make something in `dir`; says no where it is not installed.
fn openssl(dir: &Path, arguments: &str) -> Result<bool> {
    let command = Command::new("openssl").current_dir(dir).args(arguments.split(' ')).output();
    let Ok(output) = command else {
        println!("skipped: encrypted connections to PostgreSQL: openssl is not installed");
        return Ok(false);
    };
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl {arguments}: {error}");
    Ok(true)
}

/// An authority `ca`, what it has signed for `localhost`, and `other`, which signed itself.
fn certificates(dir: &Path) -> Result<bool> {
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let of = "-days 9 -subj /CN=test";
    let is_there = openssl(dir, &format!("{new} -x509 {of} -keyout ca.key -out ca.pem"))?;
    if is_there {
        std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost")?;
        openssl(dir, &format!("{new} -subj /CN=localhost -keyout server.key -out server.csr"))?;
        let sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9";
        openssl(dir, &format!("{sign} -extfile names -out server.pem"))?;
        let alone = "-addext subjectAltName=DNS:localhost";
        openssl(dir, &format!("{new} -x509 {of} {alone} -keyout other.key -out other.pem"))?;
    }
    Ok(is_there)
}

#[test]
fn a_connection_is_encrypted_with_whom_the_address_trusts() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    if !certificates(dir.path())? {
        return Ok(());
    }
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name));
    server.encrypt(&read("server.pem")?, &read("server.key")?)?;
    let address = server.over_tcp(PASSWORD).display().to_string();
    let local = address.replace("127.0.0.1", "localhost");
    let file = |name: &str| dir.path().join(name).display().to_string().replace('/', "%2F");
    let (ca, other) = (file("ca.pem"), file("other.pem"));

    let is_encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                        WHERE application_name = 'dragoman'";
    for (address, expected) in [
        (format!("{address}?sslmode=disable"), "f"),
        (address.clone(), "t"), // where the server offers it
        (format!("{address}?sslmode=require"), "t"),
        (format!("{address}?sslmode=verify-ca&sslrootcert={ca}"), "t"),
        (format!("{local}?sslmode=verify-full&sslrootcert={ca}"), "t"),
    ] {
        let store = Store::open(address.as_ref())?;
        store.suggest(&Suggestion::new(&address, "s", "en", "de"))?;
        let one = store.tenant(DEFAULT_TENANT)?;
        ensure!(one.users("").count() == 0);
        // The connection that hears of changes as well: another process is heard of.
        let heard = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let told = std::sync::Arc::clone(&heard);
        store.follow(move |_| told.store(true, std::sync::atomic::Ordering::Relaxed));
        Store::open(address.as_ref())?.create_tenant(&format!("t{}", address.len()))?;
        let mut tries = 0;
        while !heard.load(std::sync::atomic::Ordering::Relaxed) {
            tries += 1;
            ensure!(tries < 200, "{address}: nothing is heard");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        ensure!(server.sql(is_encrypted)? == expected, "{address}");
    }
    for (address, text) in [
        (format!("{address}?sslmode=verify-full&sslrootcert={ca}"), "sslmode=verify-ca"),
        (format!("{local}?sslmode=verify-full&sslrootcert={other}"), "sslrootcert=FILE"),
        (format!("{local}?sslmode=require&sslrootcert={other}"), "sslrootcert=FILE"),
        (format!("{local}?sslrootcert=system"), "sslrootcert=FILE"),
    ] {
        let error = Store::open(address.as_ref()).expect_err("it is refused").to_string();
        println!("{error}");
        ensure!(error.contains(text) && error.contains("certificate"), "{error}");
    }

    // A certificate that signed itself is trusted by itself.
    server.encrypt(&read("other.pem")?, &read("other.key")?)?;
    Store::open(format!("{local}?sslmode=verify-full&sslrootcert={other}").as_ref())?;
    let wrong = format!("{address}?sslmode=verify-full&sslrootcert={other}");
    let error = Store::open(wrong.as_ref()).expect_err("the name is wrong").to_string();
    ensure!(error.contains("sslmode=verify-ca"), "{error}");
    Ok(())
}
