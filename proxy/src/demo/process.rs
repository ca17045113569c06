//! The proxy of the demo, this same binary; it starts the backends by itself.
//!
//! It may not outlive the demo. On the way out it is ended by `Drop`, also after a panic. A demo that is killed cannot do
//! that, so on Linux the child asks the kernel for SIGTERM at its parent's death (prctl(2), `PR_SET_PDEATHSIG`; it survives
//! the `exec` into `schleuse run`). A process group of its own keeps Ctrl-C from it: the demo ends it in order.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Between two looks at a child that is to end.
const POLL: Duration = Duration::from_millis(10);

/// How the proxy of a demo is started; not for people.
#[derive(Debug, clap::Args)]
pub struct ProxyOptions {
    /// Its config.
    #[arg(long)]
    config: PathBuf,
}

/// A child that ends with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts the proxy with its output in `log`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn proxy(config: &Path, log: &Path) -> io::Result<Self> {
        let log = File::create(log)?;
        let child = command("demo-proxy")?
            .arg("--config")
            .arg(config)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { child })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn terminate(&self) -> io::Result<()> {
        let id = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(id), Signal::SIGTERM)?)
    }

    /// Waits until it ended; none: it did not within `patience`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if start.elapsed() > patience {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(subcommand: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(subcommand)
        .stdin(Stdio::null())
        .process_group(0);
    Ok(command)
}

/// From here on this process ends when the one that started it does.
///
/// # Errors
///
/// The system's.
pub fn end_with_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
    Ok(())
}

/// Becomes `schleuse run`, tied to the life of the demo. Returns only when that failed.
pub fn become_proxy(options: &ProxyOptions) -> io::Error {
    let become_run = || {
        end_with_parent()?;
        let executable = std::env::current_exe()?;
        let mut run = Command::new(executable);
        Err(run.arg("run").arg("--config").arg(&options.config).exec())
    };
    become_run().map_or_else(
        |error| error,
        |never: std::convert::Infallible| match never {},
    )
}
