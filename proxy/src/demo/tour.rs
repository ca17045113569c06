//! Runs the steps of the demo, one after the other, and says of each what came and whether that is right.
//!
//! Nothing waits for a fixed time: a reload is awaited by its generation, a line of the log by its text, a request in
//! flight by the pool's count; each with a deadline, so that a step that never comes is one that differs.

use std::{
    fs, io, thread,
    time::{Duration, Instant},
};

use schleuse_core::scale::plan::WallTime;

use super::{
    client::{Answer, Client},
    expectation::Context,
    interrupt::Interrupt,
    launch,
    process::Process,
    request::Request,
    scaling, script,
    site::Site,
    step::{Action, Edit, Outcome, Step, pool_of, set_mode},
    terminal::Terminal,
};

/// For anything to happen that a step waits for: long, because a machine that is busy with other things is no fault.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
pub(super) const POLL: Duration = Duration::from_millis(20);
/// Of everything that belongs to a step.
const INDENT: usize = 4;

/// How the tour went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Score {
    /// Steps that were run.
    pub steps: usize,
    /// Those that differed.
    pub differing: usize,
    /// Ctrl-C came before the end.
    pub interrupted: bool,
}

/// The demo that is shown.
#[derive(Debug)]
pub struct Tour<'d> {
    site: &'d Site,
    proxy: &'d mut Process,
    terminal: Terminal,
    client: Client,
    /// Name and address of the endpoint that the form is on.
    session_endpoint: String,
    /// Of the last error page.
    reference: String,
    /// When the announced launch begins.
    begins: WallTime,
}

impl<'d> Tour<'d> {
    /// Of a demo whose proxy is ready.
    ///
    /// # Errors
    ///
    /// Those of [`Client::new`].
    pub fn new(site: &'d Site, proxy: &'d mut Process, terminal: Terminal) -> io::Result<Self> {
        Ok(Self {
            site,
            proxy,
            terminal,
            client: Client::new(site)?,
            session_endpoint: String::new(),
            reference: String::new(),
            begins: WallTime::default(),
        })
    }

    /// Runs all steps.
    pub fn run(&mut self, interrupt: &Interrupt) -> Score {
        let mut score = Score::default();
        for chapter in script::chapters(self.site) {
            self.terminal.heading(chapter.title);
            for step in &chapter.steps {
                if interrupt.came() {
                    score.interrupted = true;
                    return score;
                }
                score.steps += 1;
                if !self.step(score.steps, step, interrupt) {
                    score.differing += 1;
                }
            }
        }
        score
    }

    fn step(&mut self, number: usize, step: &Step, interrupt: &Interrupt) -> bool {
        self.terminal.step(number, step.title);
        let address = self.session_address().to_owned();
        let command = step
            .action
            .command(self.site, &address, &self.reference, self.proxy.id());
        self.terminal.command(INDENT, &command);
        let begun = Instant::now();
        let answer = match self.act(&step.action, interrupt) {
            Ok(answer) => answer,
            Err(error) => {
                self.terminal.bad(INDENT, &error.to_string());
                return false;
            }
        };
        self.remember(&step.action, &answer);
        self.judge(step, &answer, begun.elapsed())
    }

    fn judge(&self, step: &Step, answer: &Answer, took: Duration) -> bool {
        let context = Context {
            directory: self.site.path(),
            session_endpoint: &self.session_endpoint,
        };
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for expectation in &step.expected {
            match expectation.check(answer, context) {
                Ok(seen) => good.push(seen),
                Err(differs) => bad.push(differs),
            }
        }
        if matches!(
            step.action,
            Action::Edit(_)
                | Action::Time(_)
                | Action::Sleep(_)
                | Action::Announce(_)
                | Action::AwaitEvent(_)
                | Action::AwaitBegin(_)
        ) {
            good.push(format!("after {} ms", took.as_millis()));
        }
        self.terminal.good(INDENT, &good);
        for differs in &bad {
            self.terminal.bad(INDENT, differs);
        }
        bad.is_empty()
    }

    fn act(&mut self, action: &Action, interrupt: &Interrupt) -> io::Result<Answer> {
        match action {
            Action::Ask(request) | Action::Time(request) => self.client.send(request),
            Action::Burst(burst) => scaling::burst(&self.client, burst),
            Action::Sleep(pool) => scaling::await_sleep(&self.client, pool),
            Action::Announce(seconds) => self.announce(*seconds),
            Action::Plan => launch::plan(self.site),
            Action::AwaitEvent(event) => launch::await_event(self.site, event),
            Action::AwaitBegin(pool) => {
                launch::await_begin(&self.client, pool, self.begins, interrupt)
            }
            Action::FindInLog => self.find_in_log(),
            Action::SetMode(mode) => self.client.send(&set_mode(self.session_address(), mode)),
            Action::Edit(edit) => self.edit(edit),
            Action::Stop(request) => self.stop(request),
        }
    }

    fn remember(&mut self, action: &Action, answer: &Answer) {
        let Action::Ask(request) = action else { return };
        if request.cookies
            && self.session_endpoint.is_empty()
            && let Some(endpoint) = answer.line("Endpunkt")
        {
            endpoint.clone_into(&mut self.session_endpoint);
        }
        if answer.status >= 400 {
            answer.field("x-request-id").clone_into(&mut self.reference);
        }
    }

    /// `127.0.0.1:40123` of `wohngeld-1 127.0.0.1:40123`.
    fn session_address(&self) -> &str {
        self.session_endpoint
            .split_once(' ')
            .map_or("", |(_, address)| address)
    }

    fn find_in_log(&self) -> io::Result<Answer> {
        let line = await_some("no such line in the log", || {
            let log = fs::read_to_string(self.site.log())?;
            let mut lines = log.lines();
            Ok(lines
                .find(|line| line.contains(&self.reference))
                .map(str::to_owned))
        })?;
        Ok(Answer {
            body: line,
            ..Answer::default()
        })
    }

    fn announce(&mut self, ahead_seconds: u64) -> io::Result<Answer> {
        let before = generation(&self.status()?);
        self.begins = launch::moment(ahead_seconds);
        launch::announce(self.site, self.begins)?;
        self.await_judgement(before, Outcome::Loaded)
    }

    fn edit(&self, edit: &Edit) -> io::Result<Answer> {
        let before = generation(&self.status()?);
        self.site.replace(edit.from, edit.to)?;
        self.await_judgement(before, edit.outcome)
    }

    /// The status once the proxy has judged the changed file.
    fn await_judgement(&self, before: Option<u64>, outcome: Outcome) -> io::Result<Answer> {
        await_some("the proxy did not judge the change as expected", || {
            let answer = self.status()?;
            let refused = answer.body.contains("\"problems\"");
            let judged = match outcome {
                Outcome::Loaded => !refused && generation(&answer) > before,
                Outcome::Refused => refused && generation(&answer) == before,
                Outcome::Mended => !refused && generation(&answer) == before,
            };
            Ok(judged.then_some(answer))
        })
    }

    fn status(&self) -> io::Result<Answer> {
        self.client.send(&Request::admin("/api/v1/status"))
    }

    /// SIGTERM once the request is with its backend: its answer, and how the proxy ended.
    fn stop(&mut self, request: &Request) -> io::Result<Answer> {
        let (client, proxy) = (&self.client, &mut *self.proxy);
        let mut answer = thread::scope(|scope| {
            let answer = scope.spawn(|| client.send(request));
            let pool = pool_of("wohngeld");
            await_some("the request did not reach its backend", || {
                let answer = client.send(&pool)?;
                Ok(answer.body.contains("\"in_flight\": 1").then_some(()))
            })?;
            proxy.terminate()?;
            answer
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the client failed")))
        })?;
        answer.proxy_exit = self.proxy.wait(PATIENCE)?;
        Ok(answer)
    }
}

fn generation(status: &Answer) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(&status.body).ok()?;
    value.get("config")?.get("generation")?.as_u64()
}

/// Looks until there is something.
///
/// # Errors
///
/// Those of `look`; `TimedOut` with `otherwise` when there is nothing for too long.
pub fn await_some<T>(
    otherwise: &str,
    mut look: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, otherwise));
        }
        thread::sleep(POLL);
    }
}
