//! The small languages inside of values: rates and ramps, times that differ, shares, thresholds.

use std::{net::SocketAddr, time::Duration};

use schleuse_config::yaml::{Fault, did_you_mean, parse_duration, parse_request_rate, quoted};

use crate::{
    distribution::Distribution,
    results::{Reason, SizeClass},
    verdict::{Criterion, Limit, Metric, Window},
};

/// From one rate to another; the same when it does not change. Per second.
pub(super) type Slope = (f64, f64);

/// `500/s`, `100/s..5000/s`, each with `over 60s` behind it if the duration stands here.
pub(super) fn rate(text: &str) -> Result<(Slope, Option<Duration>), Fault> {
    let (rates, over) = match text.split_once(" over ") {
        Some((rates, over)) => (rates, Some(parse_duration(over.trim())?)),
        None => (text, None),
    };
    let (from, to) = rates.split_once("..").unwrap_or((rates, rates));
    Ok(((one_rate(from.trim())?, one_rate(to.trim())?), over))
}

/// A limit of nothing makes no sense, an arrival rate of nothing does.
fn one_rate(text: &str) -> Result<f64, Fault> {
    if text == "0/s" {
        return Ok(0.0);
    }
    parse_request_rate(text)
}

/// `2s`, `uniform 1s..5s`, `exponential 2s`, `lognormal 2s 0.8`, `bimodal 10ms 400ms 10%`.
pub(crate) fn distribution(text: &str) -> Result<Distribution, Fault> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match *words.as_slice() {
        ["uniform", range] => {
            let (from, to) = range.split_once("..").ok_or_else(|| time_fault(text))?;
            let (from, to) = (parse_duration(from)?, parse_duration(to)?);
            if from > to {
                let wrong = format!("{} runs backwards", quoted(text));
                return Err(Fault::new(wrong, "write the shorter time first"));
            }
            Ok(Distribution::Uniform(from, to))
        }
        ["exponential", mean] => Ok(Distribution::Exponential(parse_duration(mean)?)),
        ["lognormal", median, sigma] => {
            let sigma: Option<f64> = sigma.parse().ok();
            let sigma = sigma.filter(|sigma| (0.0..=5.0).contains(sigma));
            let sigma = sigma.ok_or_else(|| {
                let wrong = format!("{} has no deviation", quoted(text));
                Fault::new(
                    wrong,
                    "write the deviation of the logarithm, 0 to 5, as 0.8",
                )
            })?;
            Ok(Distribution::Lognormal(parse_duration(median)?, sigma))
        }
        ["bimodal", usual, rare, often] => Ok(Distribution::Bimodal(
            parse_duration(usual)?,
            parse_duration(rare)?,
            share(often)?,
        )),
        [one] => parse_duration(one).map(Distribution::Fixed),
        _ => Err(time_fault(text)),
    }
}

fn time_fault(text: &str) -> Fault {
    Fault::new(
        format!("{} is no time", quoted(text)),
        "write 2s, uniform 1s..5s, exponential 2s, lognormal 2s 0.8 or bimodal 10ms 400ms 10%",
    )
}

/// `http://127.0.0.1:9900`; a name would have to be looked up while the run goes on.
pub(crate) fn admin(text: &str) -> Result<SocketAddr, Fault> {
    let address = text.strip_prefix("http://").unwrap_or(text);
    address.trim_end_matches('/').parse().map_err(|_| {
        let wrong = format!("{} is not the address of an admin API", quoted(text));
        Fault::new(wrong, "write http://IP:PORT, as http://127.0.0.1:9900")
    })
}

/// `0.1%`, as a part of 1.
pub(super) fn share(text: &str) -> Result<f64, Fault> {
    let number = text
        .strip_suffix('%')
        .and_then(|text| text.parse::<f64>().ok());
    let number = number.filter(|percent| (0.0..=100.0).contains(percent));
    number.map(|percent| percent / 100.0).ok_or_else(|| {
        let wrong = format!("{} is not a share", quoted(text));
        Fault::new(wrong, "write percent from 0% to 100%, as 0.1%")
    })
}

/// `p99 < 500ms`, `small: failed < 0.1%`, `p95 < 1s after 60s`, `jain > 0.95`.
pub(crate) fn threshold(text: &str) -> Result<Criterion, Fault> {
    // As saved results have it, of which nobody wrote this one.
    let implied = Criterion::implied();
    if text == implied.text {
        return Ok(implied);
    }
    let (class, rest) = match text.split_once(':') {
        Some((class, rest)) => (Some(size_class(class.trim())?), rest),
        None => (None, text),
    };
    let (rest, window) = window(rest)?;
    let (name, sign, number) = ["<=", ">=", "<", ">"]
        .iter()
        .find_map(|sign| {
            let (name, number) = rest.split_once(sign)?;
            Some((name.trim(), *sign, number.trim()))
        })
        .ok_or_else(|| {
            let wrong = format!("{} compares nothing", quoted(text));
            Fault::new(
                wrong,
                "write <, <=, > or >= between metric and limit, as p99 < 500ms",
            )
        })?;
    let metric = metric(name)?;
    let number = limit(metric, number)?;
    let criterion = Criterion {
        text: text.to_owned(),
        metric,
        class,
        window,
        limit: match sign {
            "<" => Limit::Below(number),
            "<=" => Limit::AtMost(number),
            ">" => Limit::Above(number),
            _ => Limit::AtLeast(number),
        },
    };
    allowed(&criterion, name)?;
    Ok(criterion)
}

fn allowed(criterion: &Criterion, name: &str) -> Result<(), Fault> {
    if criterion.class.is_some() && !criterion.metric.allows_class() {
        let wrong = format!("`{name}` is not told by size of tenant");
        return Err(Fault::new(wrong, "leave out the class"));
    }
    if criterion.window.is_some()
        && (!criterion.metric.allows_window() || criterion.class.is_some())
    {
        let wrong = format!("`{name}` is not told for a part of the run here");
        return Err(Fault::new(wrong, "leave out the window or the class"));
    }
    Ok(())
}

fn size_class(name: &str) -> Result<SizeClass, Fault> {
    let known = SizeClass::ALL.iter().find(|class| class.label() == name);
    known.copied().ok_or_else(|| {
        let labels = SizeClass::ALL.map(SizeClass::label);
        let remedy = did_you_mean(name, labels)
            .unwrap_or_else(|| format!("write one of {}", labels.join(", ")));
        Fault::new(format!("{} is no size of tenants", quoted(name)), remedy)
    })
}

fn window(text: &str) -> Result<(&str, Option<Window>), Fault> {
    let Some((rest, after)) = text.split_once(" after ") else {
        return Ok((text, None));
    };
    let (from, to) = match after.split_once(" until ") {
        Some((from, to)) => (from, Some(seconds(to)?)),
        None => (after, None),
    };
    let window = Window {
        from_seconds: seconds(from)?,
        to_seconds: to,
    };
    Ok((rest, Some(window)))
}

fn seconds(text: &str) -> Result<i64, Fault> {
    let duration = parse_duration(text.trim())?;
    Ok(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

/// All names that a threshold may begin with, percentiles aside.
const METRICS: [(&str, Metric); 7] = [
    ("max", Metric::Response(1.0)),
    ("mean", Metric::ResponseMean),
    ("failed", Metric::Failed),
    ("answered", Metric::Answered),
    ("abandoned", Metric::Abandoned),
    ("answered_per_second", Metric::AnsweredPerSecond),
    ("jain", Metric::Jain),
];

fn metric(name: &str) -> Result<Metric, Fault> {
    if let Some((_, metric)) = METRICS.iter().find(|(known, _)| *known == name) {
        return Ok(*metric);
    }
    if let Some(reason) = Reason::ALL.iter().find(|reason| reason.label() == name) {
        return Ok(Metric::Reason(*reason));
    }
    let (percentile, service) = match name.strip_prefix("service_") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let digits = percentile
        .strip_prefix('p')
        .and_then(|rest| rest.parse().ok());
    match digits.filter(|percent: &f64| *percent > 0.0 && *percent < 100.0) {
        Some(percent) if service => Ok(Metric::Service(percent / 100.0)),
        Some(percent) => Ok(Metric::Response(percent / 100.0)),
        None => {
            let known = METRICS.iter().map(|(name, _)| *name);
            let known = known.chain(Reason::ALL.map(Reason::label));
            let remedy = did_you_mean(name, known).unwrap_or_else(|| {
                let names = METRICS.map(|(name, _)| name).join(", ");
                format!("write p50 to p99.9, service_p99, {names} or a reason of failure")
            });
            Err(Fault::new(format!("{} is no metric", quoted(name)), remedy))
        }
    }
}

fn limit(metric: Metric, text: &str) -> Result<f64, Fault> {
    match metric {
        metric if metric.is_duration() => {
            parse_duration(text).map(|duration| duration.as_secs_f64())
        }
        Metric::Jain => plain(text, 1.0),
        Metric::AnsweredPerSecond => match text.strip_suffix("/s") {
            Some(number) => plain(number, f64::MAX),
            None => Err(Fault::new(
                format!("{} is no rate", quoted(text)),
                "write answers per second, as 500/s",
            )),
        },
        _ => share(text),
    }
}

fn plain(text: &str, max: f64) -> Result<f64, Fault> {
    let number = text.parse().ok();
    number
        .filter(|number: &f64| (0.0..=max).contains(number))
        .ok_or_else(|| {
            let wrong = format!("{} is no number here", quoted(text));
            Fault::new(wrong, "write a number, as 0.95")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_as_people_write_them() {
        let read = |text| threshold(text).unwrap();
        assert_eq!(read("p99 < 500ms").metric, Metric::Response(0.99));
        assert_eq!(read("p99 < 500ms").limit, Limit::Below(0.5));
        assert_eq!(read("failed<=0.1%").limit, Limit::AtMost(0.001));
        assert_eq!(read("jain > 0.95").limit, Limit::Above(0.95));
        assert_eq!(read("small: p99 < 1s").class, Some(SizeClass::Small));
        assert_eq!(
            read("status_503 < 1%").metric,
            Metric::Reason(Reason::Status503)
        );
        let window = Window {
            from_seconds: 60,
            to_seconds: Some(120),
        };
        assert_eq!(read("p95 < 1s after 1m until 2m").window, Some(window));
        let implied = Criterion::implied();
        assert_eq!(read(&implied.text), implied);
    }

    #[test]
    fn a_misspelt_metric_is_a_fault_with_the_likely_word() {
        let fault = threshold("faild < 1%").unwrap_err();
        assert_eq!(fault.remedy, "did you mean `failed`?");
        for text in [
            "p0 < 1s",
            "p100 < 1s",
            "p99",
            "p99 < 5",
            "failed < 5",
            "tall: p99 < 1s",
            "jain > 7",
            "p99 < 1s (implied)",
        ] {
            assert!(threshold(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_by_class_or_window_is_refused() {
        for text in [
            "small: service_p99 < 1s",
            "small: answered_per_second > 5/s",
            "jain > 0.9 after 10s",
            "small: p99 < 1s after 5s",
        ] {
            assert!(threshold(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_and_ramps_are_read() {
        assert_eq!(rate("500/s").unwrap(), ((500.0, 500.0), None));
        let ramp = rate("0/s..6000/min over 60s").unwrap();
        assert_eq!(ramp, ((0.0, 100.0), Some(Duration::from_mins(1))));
        assert!(rate("500").is_err());
    }

    #[test]
    fn times_that_differ_are_read() {
        let second = Duration::from_secs(1);
        assert_eq!(distribution("1s").unwrap(), Distribution::Fixed(second));
        assert_eq!(
            distribution("lognormal 1s 0.8").unwrap(),
            Distribution::Lognormal(second, 0.8)
        );
        assert_eq!(
            distribution("bimodal 1s 60s 10%").unwrap(),
            Distribution::Bimodal(second, Duration::from_mins(1), 0.1)
        );
        for text in [
            "",
            "soon",
            "uniform 5s..1s",
            "lognormal 1s",
            "lognormal 1s NaN",
            "bimodal 1s 2s 200%",
        ] {
            assert!(distribution(text).is_err(), "{text}");
        }
    }
}
