//! The requests of a fetch, some side by side, each with all that belongs to it: quota, a fresh token, one renewal, the
//! pages that follow. It decides when asking on is useless; it records and publishes nothing.

use std::time::Duration;

use anyhow::Result;
use chrono::TimeDelta;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value as Json;

use super::{Fetcher, Refusal};
use crate::household::Member;
use crate::plan::{Ask, Plan};
use crate::quota::Lane;
use crate::upstream::client::Question;
use crate::upstream::decode::decode;
use crate::upstream::endpoint::{Endpoint, Span};
use crate::upstream::{Failure, client};

/// Pages of one list that are followed; a list that goes on after this is cut, and that is reported.
const MOST_PAGES: usize = 100;
/// How long to wait before asking again what failed: longer each time.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// How long to wait for an answer once another one of this fetch did not come in time.
const SHORT_PATIENCE: Duration = Duration::from_secs(10);
/// How often a request is repeated that came too fast.
const MOST_REFUSED: u32 = 3;
/// A request that is to wait longer than this, by the upstream's own word, is left to a later fetch.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(60);
/// So many answers that do not come in time, and none that does: the upstream is down.
const MOST_SILENT: usize = 2;

/// One request's answer, page by page.
pub(super) struct Answer {
    /// What was asked.
    pub ask: Ask,
    /// The row by which it was answered: the one asked, or its other one.
    pub endpoint: &'static Endpoint,
    /// The bodies.
    pub pages: Vec<Json>,
    /// Why it ended before its end.
    pub failure: Option<Failure>,
    /// How many requests it took.
    pub calls: usize,
}

impl Answer {
    /// One that is not even asked for.
    pub fn failed(ask: Ask, failure: Failure) -> Answer {
        Answer { endpoint: ask.endpoint, ask, pages: Vec::new(), failure: Some(failure), calls: 0 }
    }
}

impl Question {
    /// The same question for the next page: with a token, everything else must be as it was.
    fn with_token(&self, token: &str) -> Question {
        let mut next = self.clone();
        match &mut next.body {
            Some(body) => body["pageToken"] = token.into(),
            None => {
                let path = next.path.split_once("&pageToken=").map_or(next.path.as_str(), |(path, _)| path);
                let joint = if path.contains('?') { '&' } else { '?' };
                let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
                next.path = format!("{path}{joint}pageToken={token}");
            }
        }
        next
    }
}

impl Fetcher {
    /// Asks everything that is planned and not answered yet; then once more what failed in passing.
    pub(super) async fn ask_all(&self, member: &Member, plan: &Plan, answers: &mut Vec<Answer>) -> Result<(), Refusal> {
        let mut unanswered = Vec::new();
        for ask in &plan.asks {
            // Profile and devices were asked a moment ago.
            match answers.iter_mut().find(|answer| answer.ask.path == ask.path && answer.ask.body == ask.body) {
                Some(answered) => answered.ask.methods.clone_from(&ask.methods),
                None => unanswered.push(ask.clone()),
            }
        }
        self.ask_side_by_side(member, &unanswered, Lane::Live, answers).await?;
        if self.is_stopping() {
            return Ok(());
        }
        // Without methods named everything is wanted, and the profile with it, though it is not planned.
        for answer in answers.iter_mut().filter(|answer| answer.ask.methods.is_empty()) {
            let group = answer.ask.endpoint.group.map(|group| group.name());
            let asked = |name: &&str| plan.methods.iter().any(|method| method.name == *name);
            answer.ask.methods.extend(group.filter(asked).map(str::to_owned));
        }
        self.ask_again(member, answers).await?;
        self.notice_switch_off(member, answers).await;
        Ok(())
    }

    /// Asks all of these, and adds the answers in the same order. The first goes alone: whether there is a connection, a
    /// token and quota need not be learned several times.
    pub(super) async fn ask_side_by_side(
        &self,
        member: &Member,
        asks: &[Ask],
        lane: Lane,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Refusal> {
        let before = answers.len();
        let mut waiting = asks.iter();
        let mut running = FuturesUnordered::new();
        let mut broken = None;
        loop {
            let most = if answers.is_empty() { 1 } else { self.rules.history.parallel };
            while running.len() < most && broken.is_none() && !self.is_stopping() {
                let Some(ask) = waiting.next() else { break };
                match useless_to_ask_on(answers) {
                    Some(failure) => answers.push(Answer::failed(ask.clone(), failure)),
                    None => running.push(self.ask(member, ask.clone(), lane, patience(answers))),
                }
            }
            // None is dropped before it has ended: it may be renewing the token.
            match running.next().await {
                Some(Ok(answer)) => answers.push(answer),
                Some(Err(error)) => broken = Some(error),
                None => break,
            }
        }
        let place =
            |answer: &Answer| asks.iter().position(|ask| ask.path == answer.ask.path && ask.body == answer.ask.body);
        answers[before..].sort_by_key(place);
        broken.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Where the service is gone as a whole, only a consent to another one helps.
    async fn notice_switch_off(&self, member: &Member, answers: &mut [Answer]) {
        if is_switched_off(answers) {
            let failure = self.oauth.switched_off(member).await;
            answers.iter_mut().for_each(|answer| answer.failure = Some(failure.clone()));
        }
    }

    /// What an upstream in trouble did not answer has further chances, unless nothing works at all.
    async fn ask_again(&self, member: &Member, answers: &mut [Answer]) -> Result<(), Refusal> {
        let in_passing = |answer: &Answer| {
            let passes = matches!(answer.failure, Some(Failure::Unavailable(_) | Failure::TooMuch(_)));
            answer.pages.is_empty() && passes
        };
        for pause in PAUSES {
            if useless_to_ask_on(answers).is_some() || !answers.iter().any(in_passing) {
                return Ok(());
            }
            // Not everyone at the same moment, when an upstream comes back.
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.75..1.5))).await;
            for place in 0..answers.len() {
                if self.is_stopping() || !in_passing(&answers[place]) {
                    continue;
                }
                let ask = answers[place].ask.clone();
                let mut answer = self.ask(member, ask, Lane::Live, patience(answers)).await?;
                answer.calls += answers[place].calls;
                answers[place] = answer;
                if useless_to_ask_on(answers).is_some() || answers.iter().all(|answer| answer.pages.is_empty()) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One request and the pages that follow it; where the upstream refuses it to this application, the row's other
    /// one.
    pub(super) async fn ask(&self, member: &Member, ask: Ask, lane: Lane, patience: Duration) -> Result<Answer> {
        let mut next = Question { path: ask.path.clone(), body: ask.body.clone() };
        let mut asked = vec![next.clone()];
        let mut answer = Answer { endpoint: ask.endpoint, ask, pages: Vec::new(), failure: None, calls: 0 };
        loop {
            let endpoint = answer.endpoint;
            match self.ask_page(member, endpoint.name, &next, lane, patience, &mut answer.calls).await? {
                Ok(page) => {
                    let follow = match answer.endpoint.follow {
                        Some(follow) => {
                            answer.pages.push(page);
                            let patient = member.user_id().unwrap_or_default();
                            follow(&asked, &answer.pages, patient).map(|path| Question { path, body: None })
                        }
                        None => {
                            let follow = self.next_page(member, &answer.ask, &next, &page);
                            answer.pages.push(page);
                            follow
                        }
                    };
                    let Some(follow) = follow else { return Ok(answer) };
                    if answer.pages.len() >= MOST_PAGES || asked.contains(&follow) {
                        let why = match asked.contains(&follow) {
                            true => {
                                "the list leads back to a page that was read; what may come after was not read".into()
                            }
                            false => format!("the list goes on after {MOST_PAGES} pages; the rest was not read"),
                        };
                        answer.failure = Some(Failure::Malformed(why));
                        return Ok(answer);
                    }
                    asked.push(follow.clone());
                    next = follow;
                }
                Err(failure) => {
                    let other = endpoint.otherwise.and_then(|name| member.upstream.endpoint(name));
                    match (&failure, other) {
                        (Failure::NotGranted(_), Some(other)) => {
                            let (start, end) = (answer.ask.start, answer.ask.end);
                            next = Question { path: other.dated(start, end), body: other.body(start, end) };
                            answer.endpoint = other;
                        }
                        // A token is good for the page size it came with only: from the beginning.
                        (Failure::TooMuch(_), _) => {
                            let Some(path) = smaller_page(&asked[0].path) else {
                                answer.failure = Some(failure);
                                return Ok(answer);
                            };
                            next = Question { path, body: None };
                            answer.pages.clear();
                            asked = vec![next.clone()];
                        }
                        _ => {
                            answer.failure = Some(failure);
                            return Ok(answer);
                        }
                    }
                }
            }
        }
    }

    /// The next page, where there is one and it can hold something that was asked for.
    fn next_page(&self, member: &Member, ask: &Ask, asked: &Question, page: &Json) -> Option<Question> {
        if let Some(token) = page.get("nextPageToken").and_then(Json::as_str).filter(|token| !token.is_empty()) {
            // An empty page can carry a token; the newest entry is the first that comes.
            let newest = matches!(ask.endpoint.span, Span::Newest(_) | Span::OnceADay);
            let empty = page.get("dataPoints").and_then(Json::as_array).is_none_or(Vec::is_empty);
            return (!newest || empty).then(|| asked.with_token(token));
        }
        if !ask.follow || !matches!(ask.endpoint.span, Span::List(_)) {
            return None;
        }
        let next = page.pointer("/pagination/next")?.as_str().filter(|next| !next.is_empty())?;
        let readings = decode(ask.endpoint, page, &self.context(member, ask, None)).map(|decoded| decoded.readings);
        let latest = readings.unwrap_or_default().iter().map(|reading| reading.at.date()).max();
        // Forward in time, what comes after the end comes after it on all later pages; backward, nothing does.
        let beyond = latest.is_some_and(|latest| latest > ask.end);
        (!beyond).then(|| Question { path: next.to_owned(), body: None })
    }

    /// Waits until the upstream's pace allows a request for this person.
    async fn pace(&self, member: &Member) {
        let spacing = TimeDelta::milliseconds(member.upstream.limits.spacing_milliseconds as i64);
        if spacing.is_zero() {
            return;
        }
        let clock = &self.household.clock;
        let next = self.paces.lock().await.entry(member.person.clone()).or_default().clone();
        // One waits at a time, and the next one's wait begins when this one's has ended: whatever held them up, they
        // never go together.
        let mut next = next.lock().await;
        clock.sleep_until(*next).await;
        *next = clock.now() + spacing;
    }

    /// One request with a good token and quota for it.
    async fn ask_page(
        &self,
        member: &Member,
        endpoint: &str,
        question: &Question,
        lane: Lane,
        patience: Duration,
        calls: &mut usize,
    ) -> Result<Result<Json, Failure>> {
        let quota = self.household.quota();
        let base = match self.oauth.addresses(member.upstream) {
            Ok(addresses) => addresses.api_url.url(),
            Err(failure) => return Ok(Err(failure)),
        };
        let limits = &member.upstream.limits;
        let (mut renewed, mut refused) = (false, 0);
        let mut token = match self.oauth.access_token(member).await {
            Ok(token) => token,
            Err(failure) => return Ok(Err(without_token(failure))),
        };
        loop {
            if self.is_stopping() {
                return Ok(Err(stopping()));
            }
            if let Err(failure) = quota.take(&member.person, member.upstream, endpoint, member.today, lane).await? {
                return Ok(Err(failure));
            }
            self.pace(member).await;
            *calls += 1;
            let now = self.household.clock.now();
            let mut stop = self.stopping.subscribe();
            // A question can be given up at any moment, a renewal above or below cannot.
            let answer = tokio::select! {
                answer = client::ask(&self.http, member.upstream, base, question, &token, patience, now) => answer,
                _ = stop.wait_for(|stopping| *stopping) => return Ok(Err(stopping())),
            };
            self.household.telemetry.asked(member.upstream.provider, endpoint, answer.status);
            if let Some(mut said) = answer.quota {
                // Its seconds count from the answer, which may have come long after the question.
                said.reset += self.household.clock.now() - now;
                quota.heard(&member.person, said).await?;
            }
            match answer.outcome {
                Ok(body) => {
                    self.oauth.used(member, &token).await;
                    return Ok(Ok(body));
                }
                Err(Failure::TokenExpired) if !renewed => {
                    renewed = true;
                    token = match self.oauth.renew(member, &token).await {
                        Ok(token) => token,
                        Err(failure) => return Ok(Err(without_token(failure))),
                    };
                }
                // Where windows are short, the limit is one of pace, and waiting a little helps.
                Err(Failure::QuotaSpent { .. })
                    if limits.window_seconds < 600
                        && refused < MOST_REFUSED
                        && answer.retry_after.is_none_or(|wait| wait <= LONGEST_WAIT) =>
                {
                    refused += 1;
                    let seconds = f64::from(1 << refused) * rand::random_range(0.75..1.25);
                    let told = answer.retry_after.and_then(|wait| wait.to_std().ok()).unwrap_or_default();
                    self.household.clock.sleep(Duration::from_secs_f64(seconds).max(told)).await;
                }
                Err(Failure::QuotaSpent { until }) => {
                    quota.spent(&member.person, member.upstream, until).await?;
                    return Ok(Err(Failure::QuotaSpent { until }));
                }
                Err(failure) => return Ok(Err(failure)),
            }
        }
    }
}

/// The same question for a quarter of the entries, where it names how many.
fn smaller_page(path: &str) -> Option<String> {
    let (before, rest) = path.split_once("pageSize=")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let size: u32 = rest[..digits].parse().ok()?;
    (size > 4).then(|| format!("{before}pageSize={}{}", size / 4, &rest[digits..]))
}

/// Without a connection, a token or quota all that follows fails for the same reason.
pub(super) fn useless_to_ask_on(answers: &[Answer]) -> Option<Failure> {
    use Failure::*;
    let failures = || answers.iter().filter_map(|answer| answer.failure.as_ref());
    let ends = |failure: &&Failure| {
        matches!(
            failure,
            ConsentLost(_) | QuotaSpent { .. } | Misconfigured(_) | Unreachable(_) | TokenExpired | Ours(_)
        )
    };
    let down = answers.iter().filter(|answer| is_silent(answer)).count() >= MOST_SILENT
        && answers.iter().all(|answer| answer.pages.is_empty());
    let gone = is_switched_off(answers);
    failures()
        .find(|failure| ends(failure) || (gone && matches!(failure, SwitchedOff(_))))
        .or_else(|| failures().find(|failure| down && matches!(failure, Silent(_))))
        .cloned()
}

/// One path that is gone says nothing of the others; if nothing was answered, the service is.
fn is_switched_off(answers: &[Answer]) -> bool {
    answers.iter().any(|answer| matches!(answer.failure, Some(Failure::SwitchedOff(_))))
        && answers.iter().all(|answer| answer.pages.is_empty())
}

/// How long to wait for the next answer.
pub(super) fn patience(before: &[Answer]) -> Duration {
    if before.iter().any(is_silent) { SHORT_PATIENCE } else { client::PATIENCE }
}

fn is_silent(answer: &Answer) -> bool {
    matches!(answer.failure, Some(Failure::Silent(_)))
}

/// A token that cannot be had now cannot be had a moment later: the other requests need not try.
fn without_token(failure: Failure) -> Failure {
    match failure {
        Failure::Unavailable(why) | Failure::Silent(why) => Failure::Unreachable(why),
        failure => failure,
    }
}

fn stopping() -> Failure {
    Failure::Unavailable("the bridge is stopping".into())
}
