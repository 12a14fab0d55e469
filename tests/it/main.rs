//! One test binary: the front door of every capability, against real counterparts.

#[cfg(feature = "embedded")]
mod broker;
mod actions; // interval actions, and people who come and go
mod backfill; // the past, in few requests and whatever happens
mod bad_input; // what goes wrong, and what it costs
mod changes; // a fetch asks what can have changed, counted
mod commands; // what is asked over MQTT and by forms, and what comes of it
mod command_line; // each command, by the real program
mod examples; // what programmers are shown
mod doctor; // what may be wrong, found, with its cure
mod files; // configuration, people's files, races, obstacles
mod fixtures; // every endpoint row's answers decode to the expected readings
mod intraday; // values within a day, and workouts whole
mod measured; // what counts as a measurement
mod methods; // every name under which something is asked
mod history; // reading back, and what is told of the past
mod home_examples; // what people who run a home are shown
mod igor; // what an Igor is told
mod influxdb; // what a database of time series has in the end
mod import; // tokens of other programs
mod homeassistant; // what Home Assistant is told, by its own rules
mod events; // what happened, told once
mod laws; // what holds for any answer whatever
mod mosquitto; // a real broker for one test
mod mqtt; // what reaches a broker, and what survives it
mod store; // on either engine: once, in order, by turns
mod postgres; // a real PostgreSQL for some tests
mod planning; // methods and dates become the fewest requests
mod planning_google; // the same for Google Health
mod sleep_score; // a score that a server sends only day by day
mod fetching; // a fetch through the front door
mod google; // Google Health: the same life, consent, moving house, bad days
mod readme; // README's commands, files and ways of setting up
mod tidy; // the repository itself
mod plus; // Fitbit Plus: the vendor's contract, paging, the organization's token, the command
mod tokens; // tokens stay fresh through refusals, crashes and other writers
mod program; // the program itself, as a process
mod publishing; // what stands at the broker, through the whole bridge
mod numbers; // what the bridge counts of itself
mod quota; // what may be asked, and when no more
mod server; // HTTP behind the guard
mod browser; // a browser without scripts
mod chromium; // a real one
mod pages; // the pages on every screen, for everyone, and on paper
mod consent; // from auth1 to the first values
mod door; // who is let in, and what a form may do
mod setup; // a first set-up, by the page and by hand
mod status; // what is known of a person, as a page
mod units; // systems of units
mod world; // a household for one test
mod simulator; // the simulated cloud is strict and consistent
