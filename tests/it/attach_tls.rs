//! A gateway with TLS by certificate files: callers, consoles and scripts over HTTPS, and certificates that are renewed.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use llmdeck::ProviderType;
use llmdeck::gateway::Digest;
use llmdeck::sim::{self, InstanceProfile, Server};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::console_pty::Console;

const PROGRAM: &str = env!("CARGO_BIN_EXE_llmdeck");
/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway with TLS, in a home of its own.
struct Home {
    folder: tempfile::TempDir,
    serve: Child,
    url: String,
    _upstream: Server,
}

/// Writes a server certificate by an authority of its own, and the authority into `ca`.
fn certify(folder: &Path, ca: &str) {
    let authority = CertificateParams::default();
    let mut authority_params = authority;
    authority_params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority_params
        .distinguished_name
        .push(rcgen::DnType::CommonName, ca);
    let issuer =
        CertifiedIssuer::self_signed(authority_params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let cert = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join(ca), issuer.pem()).unwrap();
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profiles = ["one", "two"].map(|name| {
            let mut profile = InstanceProfile::new(name, ProviderType::OpenAi);
            profile.models = vec!["m".to_owned()];
            profile
        });
        let upstream = Server::start(sim::Settings {
            seed: 1,
            instances: profiles.to_vec(),
        })
        .unwrap();
        let instances: Vec<String> = (upstream.instances().iter())
            .map(|found| {
                let (name, url) = (&found.name, &found.base_url);
                format!("[[instances]]\nname = \"{name}\"\ntype = \"openai\"\nbase_url = \"{url}\"\nmodels = [\"m\"]\n")
            })
            .collect();
        certify(folder.path(), "ca.pem");
        let keys: Vec<String> = [("ops", true), ("app", false)]
            .iter()
            .map(|(name, admin)| {
                let hash = Digest::of(&format!("secret-{name}"));
                format!("[[gateway.keys]]\nname = \"{name}\"\nhash = \"{hash}\"\nadmin = {admin}\n")
            })
            .collect();
        let at = |file: &str| folder.path().join(file).display().to_string();
        let config = format!(
            "{}[gateway]\nlisten = \"127.0.0.1:0\"\ntls_cert = \"{}\"\ntls_key = \"{}\"\n{}",
            instances.concat(),
            at("cert.pem"),
            at("key.pem"),
            keys.concat()
        );
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let log = std::fs::File::create(folder.path().join("serve.log")).unwrap();
        let serve = Command::new(PROGRAM)
            .args(["serve", "--config", "config.toml", "--log-level", "info"])
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut home = Self {
            folder,
            serve,
            url: String::new(),
            _upstream: upstream,
        };
        let begun = Instant::now();
        while home.url.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{}", home.log());
            std::thread::sleep(Duration::from_millis(50));
            let log = home.log();
            let address = log.split("listening on ").nth(1);
            // A line that is whole.
            if let Some((address, _)) = address.and_then(|rest| rest.split_once('\n')) {
                address.clone_into(&mut home.url);
            }
        }
        assert!(home.url.starts_with("https://127.0.0.1:"), "{}", home.url);
        home
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("serve.log")).unwrap()
    }

    fn until_logged(&self, what: &str, times: usize) {
        let begun = Instant::now();
        while self.log().matches(what).count() < times {
            assert!(begun.elapsed() < PATIENCE, "{what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks for the status over HTTPS; returns the exit code, what was written, and what went wrong.
    fn status(&self, key: &str, ca: Option<&str>) -> (i32, String, String) {
        let mut command = Command::new(PROGRAM);
        command
            .args(["status", "--url", &self.url, "--key-env", "THE_KEY"])
            .env_clear()
            .env("HOME", self.folder.path())
            .env("USER", "eve")
            .env("THE_KEY", key)
            .stdin(Stdio::null());
        if let Some(ca) = ca {
            command.arg("--ca-file").arg(self.path(ca));
        }
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }

    fn client(&self, ca: &str) -> reqwest::Client {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(self.path(ca)).unwrap();
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
            .timeout(PATIENCE)
            .build()
            .unwrap()
    }

    async fn ask(&self, ca: &str) -> Result<(u16, Value), reqwest::Error> {
        let body =
            json!({"model": "m", "messages": [{"role": "user", "content": "What are permits?"}]});
        let url = format!("{}/v1/chat/completions", self.url);
        let post = self.client(ca).post(url).bearer_auth("secret-app");
        let response = post.json(&body).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    fn hang_up(&self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.serve.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.serve.kill();
        let _ = self.serve.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_and_scripts_come_in_over_https() {
    let home = Home::new();
    let (status, answer) = home.ask("ca.pem").await.unwrap();
    assert_eq!(status, 200, "{answer}");

    let (code, out, err) = home.status("secret-ops", Some("ca.pem"));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("2/2 on"), "{out}");

    // A wrong key, a key that may not steer, a certificate that nobody vouches for, no TLS: each says what is wrong.
    for (key, ca, words) in [
        ("secret-none", Some("ca.pem"), "key"),
        ("secret-app", Some("ca.pem"), "admin"),
        ("secret-ops", None, "certificate"),
    ] {
        let (code, out, err) = home.status(key, ca);
        assert_eq!((code, out.as_str()), (3, ""), "{words}");
        assert!(err.contains(words), "{words}: {err}");
        assert!(!err.contains("secret-"), "{err}");
    }
    let clear = home.url.replace("https://", "http://");
    let refused = home
        .client("ca.pem")
        .get(format!("{clear}/healthz"))
        .send()
        .await;
    assert!(refused.is_err(), "nothing is said in clear");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consoles_attach_over_https_and_one_that_only_looks_changes_nothing() {
    let home = Home::new();
    let ca = home.path("ca.pem");
    let attach = |user: &str, more: &[&str]| {
        let mut arguments = vec!["attach", "--url", &home.url, "--ca-file"];
        arguments.push(ca.to_str().unwrap());
        arguments.extend(more);
        let variables = [("LLMDECK_ADMIN_KEY", "secret-ops"), ("USER", user)];
        Console::start_in(home.folder.path(), &arguments, &variables)
    };
    let mut eve = attach("eve", &[]);
    let mut bob = attach("bob", &["--read-only"]);
    eve.until_shown("2/2 on");
    bob.until_shown("attached, read-only");
    bob.press("\x1b2 ");
    bob.until_shown("read-only; it changes nothing");
    eve.press("\x1b2 ");
    bob.until_shown("1/2 on");
    bob.until("who did it is said", |screen| {
        screen.contains("(by ops:eve@")
    });
    home.until_logged("ops:eve@", 1);
    home.until_logged("command refused: read-only", 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_taken_at_a_reload_and_a_broken_one_is_not() {
    let home = Home::new();
    assert_eq!(home.ask("ca.pem").await.unwrap().0, 200);

    let good = std::fs::read(home.path("cert.pem")).unwrap();
    std::fs::write(home.path("cert.pem"), "no certificate").unwrap();
    home.hang_up();
    home.until_logged("the old one stays in force", 1);
    assert_eq!(
        home.ask("ca.pem").await.unwrap().0,
        200,
        "the old one holds"
    );
    std::fs::write(home.path("cert.pem"), good).unwrap();

    certify(home.folder.path(), "renewed.pem");
    home.hang_up();
    home.until_logged("the config was read again", 1);
    assert_eq!(home.ask("renewed.pem").await.unwrap().0, 200);
    assert!(home.ask("ca.pem").await.is_err(), "the old one is gone");
    assert_eq!(home.status("secret-ops", Some("renewed.pem")).0, 0);
}
