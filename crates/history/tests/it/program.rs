//! The server program to test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::cluster::Shape;

/// Builds, or finds, the program for such a cluster.
///
/// It is copied aside: the next build, with other features, replaces the file in the target folder.
pub(crate) fn of(shape: &Shape) -> PathBuf {
    match (shape.fault, std::env::var_os("CARTWRIGHT_BIN")) {
        (None, Some(given)) => given.into(),
        (None, None) => built("cartwright-as-is", &[]),
        (Some(_), _) => {
            built("cartwright-with-faults", &["--features", "cartwright-cache-redis/fault-injection"])
        }
    }
}

fn built(name: &str, features: &[&str]) -> PathBuf {
    static DONE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let profile = profile_folder();
    let copy = profile.join("history").join(name);
    let mut done = DONE.lock().unwrap();
    if !done.contains(&copy) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--package", "cartwright", "--bin", "cartwright"]).args(features);
        command.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            command.arg("--release");
        }
        let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(status.success(), "the server cannot be built: {command:?}");
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(profile.join("cartwright"), &copy).unwrap();
        done.push(copy.clone());
    }
    copy
}

/// `target/debug` or `target/release`: this test is in its folder `deps`.
fn profile_folder() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    this.parent().and_then(Path::parent).unwrap().to_owned()
}
