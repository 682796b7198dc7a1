//! A store whose disk was full writes again as soon as there is space, and has lost nothing.
//!
//! Needs a small file system of its own: as root it mounts one of 8 MiB in memory.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use dragoman_store::{
    DEFAULT_TENANT, EngineKind, Feedback, Insert, Mode, Store, Tenant, Timestamp,
};

/// A file system of 8 MiB, unmounted when it is dropped.
struct Small(tempfile::TempDir);

impl Small {
    /// None where this process may not mount.
    fn mount() -> Result<Option<Self>> {
        let dir = tempfile::tempdir()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        Ok(mounted.then_some(Self(dir)))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn write(tenant: &Tenant, i: i64) -> dragoman_store::Result<()> {
    let row = Feedback {
        feedback_type: "read".into(),
        user_id: "u".into(),
        item_id: format!("i{i}"),
        value: 1.0,
        timestamp: Timestamp::from_seconds(i),
        comment: "x".repeat(2000),
        ..Feedback::default()
    };
    tenant.put_feedback(&[row], Mode::Add, Insert::BOTH).map(drop)
}

#[test]
fn a_store_writes_again_once_a_full_disk_has_space() -> Result<()> {
    for kind in EngineKind::ALL {
        let Some(disk) = Small::mount()? else {
            println!("skipped: a full disk ({kind}): this user may not mount a small file system");
            continue;
        };
        let folder = disk.path().join("store");
        let store = Store::open_with(&folder, Some(kind))?;
        let tenant = store.tenant(DEFAULT_TENANT)?;
        let mut acknowledged = Vec::new();
        for i in 0..50 {
            write(&tenant, i)?;
            acknowledged.push(i);
        }
        // Somebody else fills the disk.
        let filler = disk.path().join("filler");
        let _ = std::fs::write(&filler, vec![1; 16 << 20]);
        let mut refused = 0;
        for i in 50..5000 {
            match write(&tenant, i) {
                Ok(()) => acknowledged.push(i),
                Err(_) => refused += 1,
            }
            if refused == 20 {
                break;
            }
        }
        ensure!(refused == 20, "{kind}: a full disk took everything");
        let reason = store.failure();
        ensure!(reason.is_some(), "{kind}: the store does not say that it cannot write");
        println!("{kind}: {}", reason.unwrap_or_default());

        std::fs::remove_file(&filler)?;
        let started = Instant::now();
        while store.failure().is_some() {
            ensure!(started.elapsed() < Duration::from_secs(30), "{kind}: it never recovered");
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("{kind}: writes again after {:?}", started.elapsed());
        for i in 6000..6050 {
            write(&tenant, i)?;
            acknowledged.push(i);
        }
        for _ in 0..2 {
            let store = store.clone();
            let tenant = store.tenant(DEFAULT_TENANT)?;
            for i in &acknowledged {
                let row = tenant.feedback("read", "u", &format!("i{i}"))?;
                ensure!(row.is_some(), "{kind}: row {i} was acknowledged and is lost");
            }
        }
        drop((tenant, store));
        let report = Store::check(&folder)?;
        ensure!(report.bad == 0 && report.counts.feedback >= acknowledged.len(), "{report:?}");
        let tenant = Store::open(&folder)?.tenant(DEFAULT_TENANT)?;
        for i in &acknowledged {
            let row = tenant.feedback("read", "u", &format!("i{i}"))?;
            ensure!(row.is_some(), "{kind}: row {i} is lost after a restart");
        }
    }
    Ok(())
}
