//! The exposition: Prometheus' text format 0.0.4, or OpenMetrics 1.0 where that is asked for
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>, <https://prometheus.io/docs/specs/om/open_metrics_spec/>).

use std::fmt::{Display, Write as _};

use super::{BOUNDS, Total};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What a client with this `Accept` wants. Both are fine for Prometheus, which says that it likes OpenMetrics
    /// better; who says nothing gets what everybody reads.
    pub fn wanted(accept: &str) -> Self {
        let quality = |kind: &str| {
            let items = accept.split(',').filter_map(|item| {
                let (media_type, parameters) = item.split_once(';').unwrap_or((item, ""));
                if !media_type.trim().eq_ignore_ascii_case(kind) {
                    return None;
                }
                let parameters =
                    parameters.split(';').filter_map(|parameter| parameter.trim().split_once('='));
                let mut quality = 1.0_f32;
                for (name, value) in parameters {
                    match name.trim() {
                        "q" => quality = value.trim().parse().unwrap_or(0.0),
                        "version" if value.trim().trim_matches('"').starts_with('0') && kind != TEXT => {
                            return None;
                        }
                        _ => {}
                    }
                }
                Some(quality)
            });
            items.fold(0.0, f32::max)
        };
        let open = quality("application/openmetrics-text");
        if open > 0.0 && open >= quality(TEXT) { Self::OpenMetrics } else { Self::Text }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

const TEXT: &str = "text/plain";

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A text in the making.
pub struct Text {
    out: String,
    format: Format,
    prefix: String,
}

/// Labels of a sample: names, and values as they are.
pub type Set<'l> = &'l [(&'static str, &'l str)];

impl Text {
    /// Nothing yet. Every name begins with `prefix`, in which `_` takes the place of what cannot stand in a name.
    pub fn new(format: Format, prefix: &str) -> Self {
        let fits = |(at, c): (usize, char)| {
            c.is_ascii_alphabetic() || matches!(c, '_' | ':') || (at > 0 && c.is_ascii_digit())
        };
        let prefix = prefix.chars().enumerate().map(|(at, c)| if fits((at, c)) { c } else { '_' }).collect();
        Self { out: String::with_capacity(16 * 1024), format, prefix }
    }

    /// A number that only grows, for each set of labels. `name` without `_total`.
    pub fn counter<'l, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Set<'l>, V)>,
    ) {
        self.family(Kind::Counter, name, help);
        for (labels, value) in samples {
            self.sample(name, "_total", labels, None, value);
        }
    }

    /// A number, for each set of labels.
    pub fn gauge<'l, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Set<'l>, V)>,
    ) {
        self.family(Kind::Gauge, name, help);
        for (labels, value) in samples {
            self.sample(name, "", labels, None, value);
        }
    }

    /// One number, without labels.
    pub fn number(&mut self, name: &str, help: &str, value: impl Display) {
        self.gauge(name, help, [(&[][..], value)]);
    }

    /// One number that only grows, without labels.
    pub fn count(&mut self, name: &str, help: &str, value: impl Display) {
        self.counter(name, help, [(&[][..], value)]);
    }

    /// Times by how long they are, for each set of labels.
    pub fn histogram<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Set<'l>, &'l Total)>,
    ) {
        self.family(Kind::Histogram, name, help);
        for (labels, total) in samples {
            let mut sum = 0;
            for (bound, count) in BOUNDS.iter().zip(&total.buckets) {
                sum += count;
                self.sample(name, "_bucket", labels, Some(&seconds(*bound, self.format)), sum);
            }
            self.sample(name, "_bucket", labels, Some("+Inf"), total.count());
            self.sample(name, "_sum", labels, None, total.seconds());
            self.sample(name, "_count", labels, None, total.count());
        }
    }

    /// The same text without a prefix, for metrics whose names are everybody's.
    pub fn unprefixed(&mut self, write: impl FnOnce(&mut Self)) {
        let prefix = std::mem::take(&mut self.prefix);
        write(self);
        self.prefix = prefix;
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn family(&mut self, kind: Kind, name: &str, help: &str) {
        let Self { out, format, prefix } = self;
        // To OpenMetrics the ending belongs to the sample.
        let ending = if kind == Kind::Counter && *format == Format::Text { "_total" } else { "" };
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a text cannot fail; the same holds below.
        let _ = writeln!(out, "# HELP {prefix}{name}{ending} {help}\n# TYPE {prefix}{name}{ending} {kind}");
    }

    fn sample(
        &mut self,
        name: &str,
        ending: &str,
        labels: Set<'_>,
        bound: Option<&str>,
        value: impl Display,
    ) {
        let Self { out, prefix, .. } = self;
        let _ = write!(out, "{prefix}{name}{ending}");
        let mut before = '{';
        for (label, text) in labels.iter().copied().chain(bound.map(|bound| ("le", bound))) {
            let _ = write!(out, "{before}{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '"' => out.push_str("\\\""),
                    '\n' => out.push_str("\\n"),
                    c => out.push(c),
                }
            }
            out.push('"');
            before = ',';
        }
        if before == ',' {
            out.push('}');
        }
        let _ = writeln!(out, " {value}");
    }
}

/// A bound as it is written: OpenMetrics wants to see that it is no whole number.
fn seconds(microseconds: u64, format: Format) -> String {
    #[expect(clippy::cast_precision_loss, reason = "at most ten million")]
    let seconds = microseconds as f64 / 1_000_000.0;
    match format {
        Format::Text => seconds.to_string(),
        Format::OpenMetrics => format!("{seconds:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_who_likes_it_better() {
        use Format::{OpenMetrics, Text};
        for (accept, want) in [
            ("", Text),
            ("*/*", Text),
            ("text/plain", Text),
            ("application/openmetrics-text", OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            ("application/openmetrics-text;version=0.0.1,text/plain;q=0.5", Text),
            ("application/openmetrics-text; version=1.0.0; q=0, text/plain", Text),
            ("application/openmetrics-text;q=x", Text),
            ("application/openmetrics-text;q=0.2, text/plain;version=0.0.4;q=0.9", Text),
            ("application/vnd.google.protobuf;q=0.9, text/html", Text),
        ] {
            assert_eq!(Format::wanted(accept), want, "{accept}");
        }
    }

    #[test]
    fn both_formats_read_as_their_specifications_say() {
        let write = |format| {
            let mut total = Total::default();
            let series = crate::metrics::Series::default();
            series.add_shared(std::time::Duration::from_millis(250));
            total.add(&series);
            let mut text = Text::new(format, "9my-app.");
            text.counter("seen", "What was seen.", [(&[("what", "a \"b\" \\ \n")][..], 3)]);
            text.number("size", "How large.", 1.5);
            text.histogram("times", "How long.", [(&[("who", "me")][..], &total)]);
            text.unprefixed(|text| text.count("plain", "Plain.", 1));
            text.finish()
        };
        let text = write(Format::Text);
        let begin = "# HELP _my_app_seen_total What was seen.\n# TYPE _my_app_seen_total counter\n\
            _my_app_seen_total{what=\"a \\\"b\\\" \\\\ \\n\"} 3\n# HELP _my_app_size How large.\n\
            # TYPE _my_app_size gauge\n_my_app_size 1.5\n";
        assert!(text.starts_with(begin), "{text}");
        for line in [
            "_my_app_times_bucket{who=\"me\",le=\"0.1\"} 0\n",
            "_my_app_times_bucket{who=\"me\",le=\"0.25\"} 1\n",
            "_my_app_times_bucket{who=\"me\",le=\"1\"} 1\n",
            "_my_app_times_bucket{who=\"me\",le=\"+Inf\"} 1\n",
            "_my_app_times_sum{who=\"me\"} 0.25\n_my_app_times_count{who=\"me\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(text.ends_with("# TYPE plain_total counter\nplain_total 1\n"), "{text}");
        let text = write(Format::OpenMetrics);
        assert!(text.contains("# TYPE _my_app_seen counter\n_my_app_seen_total{"), "{text}");
        assert!(text.contains("le=\"1.0\"} 1\n"), "{text}");
        assert!(text.ends_with("plain_total 1\n# EOF\n"), "{text}");
    }
}
