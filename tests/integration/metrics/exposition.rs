//! A strict reader of Prometheus' text format 0.0.4: whatever it does not expect fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// Samples by name and labels, as they are written: `requests_total{method="GET"}`.
pub struct Samples(pub BTreeMap<String, f64>);

impl Samples {
    /// Reads a whole exposition.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut reading = Reading::default();
        for line in text.trim_end_matches('\n').split('\n') {
            reading.line(line).unwrap_or_else(|why| panic!("{why}: `{line}`"));
        }
        reading.end().unwrap_or_else(|why| panic!("{why} in the last family"));
        Self(reading.samples)
    }

    /// The value of a sample, if there is one.
    pub fn get(&self, sample: &str) -> Option<f64> {
        self.0.get(sample).copied()
    }

    /// The samples of a metric, in alphabetical order.
    pub fn of(&self, name: &str) -> Vec<&str> {
        let begin = format!("{name}{{");
        self.0.keys().filter(|key| key.starts_with(&begin)).map(String::as_str).collect()
    }
}

#[derive(Default)]
struct Reading {
    samples: BTreeMap<String, f64>,
    seen: BTreeSet<String>,
    /// Name, and kind once it was said.
    family: Option<(String, Option<String>)>,
    /// Of a histogram, by labels without `le`: bounds and counts, sum, count.
    histograms: BTreeMap<String, Histogram>,
}

type Histogram = (Vec<(f64, f64)>, Option<f64>, Option<f64>);

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("a family without help")?;
            self.end()?;
            if !is_name(name) || help.is_empty() || !self.seen.insert(name.to_owned()) {
                return Err("a bad name, no help, or a family for the second time".to_owned());
            }
            self.family = Some((name.to_owned(), None));
            return Ok(());
        }
        let (name, kind) = self.family.as_mut().ok_or("a line outside of any family")?;
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (of, what) = rest.split_once(' ').ok_or("a type without a name")?;
            if of != name || kind.is_some() || !["counter", "gauge", "histogram"].contains(&what) {
                return Err("a type of another family, a second or an unknown one".to_owned());
            }
            if (what == "counter") != name.ends_with("_total") {
                return Err("counters, and only they, end with `_total`".to_owned());
            }
            *kind = Some(what.to_owned());
            return Ok(());
        }
        let kind = kind.clone().ok_or("a sample before its type")?;
        let name = name.clone();
        self.sample(&name, &kind, line)
    }

    fn sample(&mut self, family: &str, kind: &str, line: &str) -> Result<(), String> {
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, rest) = line.split_at(end);
        let (labels, value) = labels(rest)?;
        let value = value.strip_prefix(' ').ok_or("no blank before the value")?;
        if !value.bytes().all(|b| b.is_ascii_digit() || b"+-.e".contains(&b)) {
            return Err("a strange value".to_owned());
        }
        let value: f64 = value.parse().map_err(|_| "no number")?;
        if kind != "gauge" && value < 0.0 {
            return Err("less than nothing".to_owned());
        }
        if kind == "histogram" {
            let mut own = labels.clone();
            let bound = own.iter().position(|(label, _)| label == "le").map(|at| own.remove(at).1);
            let (buckets, sum, count) = self.histograms.entry(format!("{own:?}")).or_default();
            match (name.strip_prefix(family), bound) {
                (Some("_bucket"), Some(bound)) => {
                    let bound =
                        if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| "a bound")? };
                    buckets.push((bound, value));
                }
                (Some("_sum"), None) => *sum = Some(value),
                (Some("_count"), None) => *count = Some(value),
                _ => return Err("no part of a histogram".to_owned()),
            }
        } else if name != family {
            return Err("a sample of another family".to_owned());
        }
        let sample = line.rsplit_once(' ').map_or(line, |(sample, _)| sample);
        match self.samples.insert(sample.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err("a sample for the second time".to_owned()),
        }
    }

    /// What can be said of a family only once all of it is there.
    fn end(&mut self) -> Result<(), String> {
        if matches!(&self.family, Some((_, None))) {
            return Err("a family without a type".to_owned());
        }
        for (labels, (buckets, sum, count)) in std::mem::take(&mut self.histograms) {
            let rises = buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
            let last = buckets.last().filter(|(bound, _)| bound.is_infinite());
            if !rises || sum.is_none() || last.is_none() || last.map(|(_, all)| *all) != count {
                return Err(format!("buckets do not add up for {labels}"));
            }
        }
        Ok(())
    }
}

type Labels = Vec<(String, String)>;

/// Labels in braces, if any, and what follows.
fn labels(text: &str) -> Result<(Labels, &str), String> {
    let Some(mut rest) = text.strip_prefix('{') else { return Ok((Vec::new(), text)) };
    let mut labels: Labels = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) || name.contains(':') || labels.iter().any(|(known, _)| known == name) {
            return Err("a bad label, or one for the second time".to_owned());
        }
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().ok_or("a value without an end")? {
                (at, '"') => break at,
                (_, '\\') => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('\\' | '"'))) => value.push(c),
                    _ => return Err("an unknown escape".to_owned()),
                },
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        rest = after.get(end + 1..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        rest = rest.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

#[test]
fn it_is_strict() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"\\\"\\\\\\n\"} 1\n";
    assert_eq!(Samples::read(good).0.len(), 1);
    for bad in [
        "a_total 1\n",
        "# HELP a_total A.\na_total 1\n",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 2\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total -1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"\\t\"} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\",x=\"2\"} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\n\na_total 1\n",
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
    ] {
        assert!(std::panic::catch_unwind(|| Samples::read(bad)).is_err(), "{bad}");
    }
}
