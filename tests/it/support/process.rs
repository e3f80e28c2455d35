//! The program in a process of its own, for what only a process shows: its start, its end, its log, its exit status.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hydrant::clock::Clock;
use hydrant::config::Config;
use serde_json::Value;

use super::{Answer, Database, Server, client_builder, free_port};

/// How long a process may take to be ready on a machine that is busy with other tests.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The secret of `config/dev.yml`, under which [`Server`] keeps its keys.
pub const DEV_SECRET: &str = "hydrant-development-secret-that-everybody-knows";

/// How a server is started: the file and the environment over it.
#[derive(Clone)]
pub struct Setup {
    pub public: u16,
    pub admin: u16,
    yaml: String,
    env: Vec<(String, String)>,
}

impl Setup {
    /// In dev mode, on ports of its own.
    pub fn dev(dsn: &str) -> Self {
        let (public, admin) = (free_port(), free_port());
        let yaml = format!("dev: true\nurls: {{self: {{issuer: 'http://127.0.0.1:{public}'}}}}\n");
        Self::new(&yaml, dsn, public, admin).env("SECRETS_SYSTEM", DEV_SECRET)
    }

    /// As in production, but for the address that it listens on.
    pub fn production(dsn: &str, secret: &str) -> Self {
        let yaml = "urls: {self: {issuer: 'https://id.example.com'}}\nlog: {format: json}\n";
        Self::new(yaml, dsn, free_port(), free_port())
            .env("SERVE_PUBLIC_HOST", "127.0.0.1")
            .env("SECRETS_SYSTEM", secret)
    }

    fn new(yaml: &str, dsn: &str, public: u16, admin: u16) -> Self {
        let yaml = format!(
            "{yaml}dsn: '{dsn}'\nserve: {{public: {{port: {public}}}, admin: {{port: {admin}}}}}\n\
             accounts: {{password: {{argon2: {{memory_kib: 8192, iterations: 1}}}}}}\n"
        );
        Self { public, admin, yaml, env: Vec::new() }
    }

    /// Sets one of the environment's names; it rules over the file.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(found, _)| found != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.public)
    }

    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin)
    }

    /// Starts `hydrant serve` and waits for nothing.
    pub fn spawn(&self) -> Process {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("hydrant.yml"), &self.yaml).unwrap();
        let log = folder.path().join("log");
        File::create(&log).unwrap();
        let child = start(self, &folder, &log);
        Process { setup: self.clone(), folder, log, child }
    }

    /// Starts `hydrant serve` and waits until it can serve.
    pub async fn start(&self) -> Process {
        let mut process = self.spawn();
        process.ready().await;
        process
    }

    /// Runs another command with this configuration.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hydrant.yml");
        std::fs::write(&file, &self.yaml).unwrap();
        let arguments: Vec<String> =
            arguments.iter().map(ToString::to_string).chain(["-c".to_owned(), file.display().to_string()]).collect();
        let env = self.env.clone();
        let ran = tokio::task::spawn_blocking(move || run_with(&env, &arguments, "")).await.unwrap();
        drop(folder);
        ran
    }
}

fn start(setup: &Setup, folder: &tempfile::TempDir, log: &PathBuf) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hydrant"))
        .args(["serve", "-c", "hydrant.yml"])
        .current_dir(folder.path())
        .env_clear()
        .envs(setup.env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::options().append(true).open(log).unwrap())
        .spawn()
        .unwrap()
}

/// `hydrant serve`. Killed when dropped.
pub struct Process {
    pub setup: Setup,
    folder: tempfile::TempDir,
    log: PathBuf,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Everything that was written to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Everything that was written, once that has these words: a line is written behind the request's back.
    pub async fn logged(&self, words: &str) -> String {
        let began = Instant::now();
        loop {
            let log = self.log();
            if log.contains(words) {
                return log;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "{words} is not in: {log}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the server says that it can serve.
    pub async fn ready(&mut self) {
        let http = client_builder().build().unwrap();
        let began = Instant::now();
        loop {
            let status = self.child.try_wait().unwrap();
            assert!(status.is_none() && began.elapsed() < READY_WITHIN, "not ready ({status:?}): {}", self.log());
            let answer = http.get(self.setup.admin_url("/health/ready")).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGKILL: the process has no say in it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Kills it at this moment and starts it again on the same database.
    pub async fn kill_and_restart(&mut self) {
        self.kill();
        self.child = start(&self.setup, &self.folder, &self.log);
        self.ready().await;
    }

    /// Sends `TERM`, `INT`, `STOP`, …
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The exit status; it must come within this time.
    pub async fn ended(&mut self, within: Duration) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| panic!("{status}: {}", self.log()));
            }
            assert!(began.elapsed() < within, "still running after {within:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Server {
    /// The same as [`Server::start`], with the same clients and people, but served by a process.
    pub async fn outside(env: &[(&str, &str)]) -> (Self, Process) {
        let database = Database::new().await;
        let mut fixtures =
            Self::on(database.clone(), Clock::System, |config| config.limits.drain_timeout = Duration::ZERO).await;
        fixtures.stop().await;
        let setup = env.iter().fold(Setup::dev(database.dsn()), |setup, (name, value)| setup.env(name, value));
        let process = setup.start().await;
        (Self::at(&setup.url(""), &setup.admin_url(""), &database), process)
    }

    /// Whoever answers at these addresses, to be spoken to as to a server of ours.
    pub fn at(issuer: &str, admin: &str, database: &Database) -> Self {
        Self {
            issuer: issuer.to_owned(),
            admin: admin.to_owned(),
            clock: Clock::System,
            // No connection outlives its request: the server may.
            http: client_builder().pool_max_idle_per_host(0).build().unwrap(),
            database: database.clone(),
            config: Config::for_tests(issuer, database.dsn()),
            running: None,
        }
    }

    pub async fn get_admin(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.admin)).send().await.unwrap()).await
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Asserts this exit status and that the error says this.
    #[track_caller]
    pub fn failed(&self, status: i32, why: &str) {
        assert_eq!((self.status, self.stdout.as_str()), (status, ""), "{}", self.stderr);
        assert!(self.stderr.contains(why), "{why} is not in: {}", self.stderr);
    }
}

/// Runs the program with this database and nothing else of our environment.
pub fn run(dsn: &str, arguments: &[&str], input: &str) -> Ran {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    run_with(&[("DSN".to_owned(), dsn.to_owned())], &arguments, input)
}

/// Runs the program with this environment.
pub fn run_with(env: &[(String, String)], arguments: &[String], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hydrant"))
        .args(arguments)
        .env_clear()
        .envs(env.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
