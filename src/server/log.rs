//! Log output: one line an event to standard error, written by a thread of its own, so that a pipe that
//! nobody reads costs lines (counted) and never an answer.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// Lines that wait for a slow reader at most.
const WAITING_LINES: usize = 8192;

/// Keeps the log running; dropped at the end, it writes what is still waiting.
pub struct LogGuard {
    _worker: WorkerGuard,
    /// Lines that could not be written.
    pub dropped: ErrorCounter,
    /// Changes what is written.
    pub levels: Levels,
}

/// Changes what is written, while it is written.
#[derive(Clone)]
pub struct Levels(reload::Handle<Targets, Registry>);

impl Levels {
    /// Writes from now on what this level wants.
    pub fn set(&self, level: LogLevel) {
        // It fails only when there is no log any more, or where a test has another one.
        let _ = self.0.reload(targets(level));
    }
}

/// Sets up logging as configured. Only the first call of a process has an effect.
pub fn start(log: &Log) -> LogGuard {
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(std::io::stderr());
    let dropped = writer.error_counter();
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = match log.format {
        LogFormat::Text => layer.with_ansi(false).with_target(false).boxed(),
        LogFormat::Json => layer.event_format(JsonLines { pretty: false, gelf: false }).boxed(),
        LogFormat::JsonPretty => layer.event_format(JsonLines { pretty: true, gelf: false }).boxed(),
        LogFormat::Gelf => layer.event_format(JsonLines { pretty: false, gelf: true }).boxed(),
    };
    let (filter, handle) = reload::Layer::new(targets(log.level));
    // A second subscriber in one process (tests) is refused, which is fine.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    LogGuard { _worker: worker, dropped, levels: Levels(handle) }
}

fn targets(level: LogLevel) -> Targets {
    let level = self::level(level);
    // What libraries say is of interest when something is wrong, or to whoever looks closely.
    let of_libraries = if level > LevelFilter::INFO { level } else { level.min(LevelFilter::WARN) };
    Targets::new().with_target("okgate", level).with_default(of_libraries)
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Panic | LogLevel::Fatal | LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning | LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Events as JSON objects: `time`, `level`, `msg`, then the event's fields under their dotted names.
struct JsonLines {
    pretty: bool,
    gelf: bool,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let object = if self.gelf { gelf(level, fields) } else { plain(level, fields)? };
        let text =
            if self.pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
        writeln!(writer, "{}", text.map_err(|_| fmt::Error)?)
    }
}

fn plain(level: Level, fields: Fields) -> Result<Map<String, Value>, fmt::Error> {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let mut object = Map::new();
    object.insert("time".to_owned(), json!(time));
    object.insert("level".to_owned(), json!(level.as_str().to_ascii_lowercase()));
    object.insert("msg".to_owned(), json!(fields.message));
    object.extend(fields.others);
    Ok(object)
}

/// GELF 1.1: severity as a syslog number, own fields with an underscore.
fn gelf(level: Level, fields: Fields) -> Map<String, Value> {
    let severity = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    };
    let mut object = Map::new();
    object.insert("version".to_owned(), json!("1.1"));
    object.insert("host".to_owned(), json!("okgate"));
    object.insert("short_message".to_owned(), json!(fields.message));
    object.insert("level".to_owned(), json!(severity));
    object.extend(fields.others.into_iter().map(|(name, value)| (format!("_{name}"), value)));
    object
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.others.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }
}
