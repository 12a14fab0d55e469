//! The table of everything that can be read of Fitbit Plus: each GET operation of the vendor's file with its filters,
//! what it can include and how it can be sorted. Data only; `request` checks against it.

/// One GET operation.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// Path below the base; `{id}` stands for an identifier.
    pub path: &'static str,
    /// The filters it takes.
    pub filters: &'static [Filter],
    /// Which of them must be there.
    pub needs: Needs,
    /// The related resources it can send along.
    pub includes: &'static [&'static str],
    /// The orders it can be asked in.
    pub sorts: &'static [&'static str],
    /// What it answers, and in how many pages.
    pub answers: Answers,
}

/// What an operation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// One resource.
    One,
    /// A list whose page parameters the vendor's file declares.
    Paged,
    /// A list whose page parameters only the vendor's prose promises: its own links are followed as they come.
    Linked,
}

/// A filter: its name as a person gives it, and what its value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// `patient`; a dot stands between the brackets of `filter[identifier][system]`.
    pub name: &'static str,
    /// What its value may be.
    pub form: Form,
}

/// What the value of a filter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One identifier.
    Id,
    /// Identifiers, separated by commas.
    Ids,
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// `start..end`: two ISO date-times, the first included, the second not.
    Range,
    /// One ISO date-time.
    Instant,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Which filters must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// None.
    Nothing,
    /// Exactly one of these: they name whose resources are meant, each in its own way.
    OneOf(&'static [&'static str]),
    /// At least one of these.
    AnyOf(&'static [&'static str]),
    /// All of these.
    All(&'static [&'static str]),
}

const PATIENT: Filter = id("patient");
const GROUPS: Filter = Filter { name: "groups", form: Form::Ids };
const ORGANIZATION: Filter = id("organization");
const CREATED: Filter = range("created_at");
const UPDATED: Filter = range("updated_at");

const WHOLE: Needs = Needs::OneOf(&["groups", "organization"]);
const WHOSE: Needs = Needs::OneOf(&["patient", "groups", "organization"]);

/// The types of calendar events.
pub const EVENTS: &[&str] = &["plan-check-in", "reminder", "telephone-call", "office-visit", "video-call"];
const SUMMARY: &[&str] = &["actions", "bundles", "patient", "current_results"];

/// Every GET operation. Descriptions in the vendor's file name `filter[group]` in places; the parameters are
/// `filter[groups]`. The one sort of `calendar_event` is used by the vendor's prose on paging.
#[rustfmt::skip]
pub static OPERATIONS: &[Operation] = &[
    one("action/{id}", &[]),
    one("bundle/{id}", &[]),
    Operation { sorts: &["start_at"], ..list("calendar_event", Answers::Paged, Needs::OneOf(&["patient", "groups", "organization", "attendees"]), &[
        PATIENT, GROUPS, ORGANIZATION, Filter { name: "attendees", form: Form::Ids }, Filter { name: "type", form: Form::Word(EVENTS) }, flag("completed"),
        range("start_at"), range("end_at"), range("completed_at"), CREATED, UPDATED,
    ], &["owner"]) },
    one("calendar_event/{id}", &[]),
    list("coach", Answers::Linked, WHOLE, &[GROUPS, ORGANIZATION], &[]),
    one("coach/{id}", &[]),
    Operation { sorts: &["send_time", "-send_time"], ..list("email_history", Answers::Linked, Needs::AnyOf(&["receiver", "sender"]), &[id("receiver"), id("sender"), text("emailType")], &[]) },
    one("email_history/{id}", &[]),
    list("group", Answers::Linked, Needs::All(&["organization"]), &[ORGANIZATION, text("name")], &[]),
    one("group/{id}", &[]),
    list("health_profile", Answers::Paged, WHOSE, &[PATIENT, GROUPS, ORGANIZATION], &["patient", "questions"]),
    one("health_profile/{id}", &["patient", "questions"]),
    list("health_profile_answer", Answers::Paged, WHOSE, &[PATIENT, GROUPS, ORGANIZATION], &["patient"]),
    one("health_profile_answer/{id}", &["patient"]),
    list("health_profile_question", Answers::Linked, WHOSE, &[PATIENT, GROUPS, ORGANIZATION], &["question_definition", "answer"]),
    one("health_profile_question/{id}", &["question_definition", "answer"]),
    list("health_question_definition", Answers::Linked, Needs::Nothing, &[], &[]),
    one("health_question_definition/{id}", &[]),
    belonging("oauth/token/{id}/groups"),
    one("oauth/token/{id}/organization", &[]),
    one("organization/{id}", &[]),
    list("patient", Answers::Paged, WHOLE, &[
        GROUPS, ORGANIZATION, text("identifier.system"), text("identifier.value"), flag("archived"), CREATED, UPDATED,
    ], &[]),
    one("patient/{id}", &[]),
    belonging("patient/{id}/coaches"),
    belonging("patient/{id}/groups"),
    list("patient_health_metric", Answers::Paged, WHOSE, &[PATIENT, GROUPS, ORGANIZATION], &[]),
    one("patient_health_metric/{id}", &[]),
    list("patient_plan_summary", Answers::Linked, WHOSE, &[PATIENT, GROUPS, ORGANIZATION], SUMMARY),
    one("patient_plan_summary/{id}", SUMMARY),
    list("result", Answers::Paged, Needs::All(&["patient"]), &[
        PATIENT, Filter { name: "actions", form: Form::Ids }, Filter { name: "threads", form: Form::Ids },
        Filter { name: "start_at", form: Form::Instant }, Filter { name: "end_at", form: Form::Instant }, CREATED, UPDATED,
    ], &[]),
    one("result/{id}", &[]),
    list("reward", Answers::Linked, WHOSE, &[PATIENT, GROUPS, ORGANIZATION, id("reward_program_activation"), id("thread")], &[]),
    one("reward/{id}", &[]),
    list("reward_earning", Answers::Linked, Needs::All(&["groups", "patient"]), &[GROUPS, PATIENT, flag("ready_for_fulfillment")], &[]),
    one("reward_earning/{id}", &[]),
    list("reward_earning_fulfillment", Answers::Linked, Needs::All(&["patient"]), &[PATIENT], &[]),
    one("reward_earning_fulfillment/{id}", &[]),
    list("reward_program", Answers::Linked, WHOLE, &[GROUPS, ORGANIZATION], &[]),
    one("reward_program/{id}", &[]),
    one("reward_program/{id}/group", &[]),
    list("reward_program_activation", Answers::Linked, WHOSE, &[PATIENT, GROUPS, ORGANIZATION], &[]),
    one("reward_program_activation/{id}", &[]),
];

/// Filters of which one is nothing without the other.
pub static TOGETHER: &[[&str; 2]] = &[["identifier.system", "identifier.value"]];

impl Operation {
    /// The operation at this path, and the identifier in it.
    pub fn find(path: &str) -> Option<(&'static Operation, Option<&str>)> {
        OPERATIONS.iter().find_map(|operation| match operation.path.split_once("{id}") {
            None => (path == operation.path).then_some((operation, None)),
            Some((before, after)) => {
                let id = path.strip_prefix(before)?.strip_suffix(after)?;
                let whole = !id.is_empty() && !id.contains('/');
                whole.then_some((operation, Some(id)))
            }
        })
    }

    /// Whether it answers a list.
    pub fn is_list(&self) -> bool {
        self.answers != Answers::One
    }
}

const fn one(path: &'static str, includes: &'static [&'static str]) -> Operation {
    Operation { path, filters: &[], needs: Needs::Nothing, includes, sorts: &[], answers: Answers::One }
}

const fn belonging(path: &'static str) -> Operation {
    Operation { path, filters: &[], needs: Needs::Nothing, includes: &[], sorts: &[], answers: Answers::Linked }
}

const fn list(
    path: &'static str,
    answers: Answers,
    needs: Needs,
    filters: &'static [Filter],
    includes: &'static [&'static str],
) -> Operation {
    Operation { path, filters, needs, includes, sorts: &[], answers }
}

const fn id(name: &'static str) -> Filter {
    Filter { name, form: Form::Id }
}

const fn text(name: &'static str) -> Filter {
    Filter { name, form: Form::Text }
}

const fn flag(name: &'static str) -> Filter {
    Filter { name, form: Form::Flag }
}

const fn range(name: &'static str) -> Filter {
    Filter { name, form: Form::Range }
}
