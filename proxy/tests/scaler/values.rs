//! Unary calls: values, and who is meant.

use schleuse::{
    scaler::{
        METRIC,
        messages::{
            GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse,
            ScaledObjectRef,
        },
    },
    signals::Signal,
};

use crate::{
    client::{Client, Code, whom},
    site::{Site, needs},
};

async fn is_active(client: &Client, whom: &ScaledObjectRef) -> Result<bool, Code> {
    let answer: IsActiveResponse = client.call("IsActive", whom).await?;
    Ok(answer.result)
}

/// Integer and float of the one value.
async fn value(client: &Client, whom: &ScaledObjectRef) -> Result<(i64, f64), Code> {
    let asked = GetMetricsRequest {
        scaled_object_ref: Some(whom.clone()),
        metric_name: METRIC.to_owned(),
    };
    let answer: GetMetricsResponse = client.call("GetMetrics", &asked).await?;
    let [value] = &answer.metric_values[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(value.metric_name, METRIC);
    Ok((value.metric_value, value.metric_value_float))
}

async fn targets(client: &Client, whom: &ScaledObjectRef) -> Result<(i64, f64), Code> {
    let answer: GetMetricSpecResponse = client.call("GetMetricSpec", whom).await?;
    let [spec] = &answer.metric_specs[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(spec.metric_name, METRIC);
    Ok((spec.target_size, spec.target_size_float))
}

const INVALID: Code = 3;
const NOT_FOUND: Code = 5;
const UNIMPLEMENTED: Code = 12;
const UNAVAILABLE: Code = 14;

#[tokio::test]
async fn p36_a_value_that_is_not_known_is_unavailable_and_never_zero_or_false() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let whom = whom(&[("pool", "a")]);
    assert_eq!(value(&client, &whom).await, Err(UNAVAILABLE));
    assert_eq!(is_active(&client, &whom).await, Err(UNAVAILABLE));
    site.publish("a", needs(0));
    assert_eq!(value(&client, &whom).await, Ok((0, 0.0)));
    assert_eq!(is_active(&client, &whom).await, Ok(false));
}

#[tokio::test]
async fn p37_the_metric_is_named_before_any_value_is_known() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    assert_eq!(
        targets(&client, &whom(&[("pool", "a")])).await,
        Ok((1, 1.0))
    );
}

#[tokio::test]
async fn p37_what_is_not_configured_is_not_found_by_every_call() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    for metadata in [
        &[("pool", "c")][..],
        &[("service", "c")],
        &[("service", "meldung"), ("tenant", "12")],
    ] {
        let whom = whom(metadata);
        assert_eq!(value(&client, &whom).await, Err(NOT_FOUND), "{metadata:?}");
        assert_eq!(is_active(&client, &whom).await, Err(NOT_FOUND));
        assert_eq!(targets(&client, &whom).await, Err(NOT_FOUND));
        for stream in ["StreamIsActive", "StreamMetricSpec"] {
            let mut answer = client.open(stream, &whom).await;
            assert_eq!(
                answer.next::<IsActiveResponse>().await,
                Err(NOT_FOUND),
                "{stream}"
            );
        }
    }
}

#[tokio::test]
async fn integer_and_float_say_the_same() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    site.publish("a", needs(143));
    let whom = whom(&[("pool", "a")]);
    assert_eq!(value(&client, &whom).await, Ok((143, 143.0)));
    assert_eq!(is_active(&client, &whom).await, Ok(true));
}

#[tokio::test]
async fn for_the_autoscaler_the_value_is_carried_over_its_tolerance() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let signal = Signal {
        ready: 200,
        ..needs(219)
    };
    site.publish("a", signal);
    for (wanted, answer) in [
        ("desired", Ok((219, 219.0))),
        ("hpa", Ok((221, 221.0))),
        ("other", Err(INVALID)),
    ] {
        let whom = whom(&[("pool", "a"), ("signal", wanted)]);
        assert_eq!(value(&client, &whom).await, answer, "{wanted}");
    }
}

#[tokio::test]
async fn a_pool_is_named_by_itself_by_its_service_or_by_whose_requests_it_gets() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    site.publish("a", needs(1));
    site.publish("b", needs(2));
    for (metadata, desired) in [
        (&[("pool", "b")][..], 2),
        (&[("service", "meldung")], 1),
        (&[("service", "meldung"), ("tenant", "11")], 2),
        (&[("service", "meldung"), ("tenant", "110000000000")], 2),
        (&[("service", "meldung"), ("tenant", "01")], 1),
    ] {
        let (value, _) = value(&client, &whom(metadata)).await.unwrap();
        assert_eq!(value, desired, "{metadata:?}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_said_to_be_so() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    site.publish("a", needs(1));
    for metadata in [
        &[][..],
        &[("tenant", "11")],
        &[("pool", "a"), ("service", "meldung")],
    ] {
        assert_eq!(
            is_active(&client, &whom(metadata)).await,
            Err(INVALID),
            "{metadata:?}"
        );
    }
    let other = GetMetricsRequest {
        scaled_object_ref: Some(whom(&[("pool", "a")])),
        metric_name: "other".to_owned(),
    };
    assert_eq!(
        client
            .call::<GetMetricsResponse>("GetMetrics", &other)
            .await,
        Err(INVALID)
    );
    let nobody = GetMetricsRequest::default();
    assert_eq!(
        client
            .call::<GetMetricsResponse>("GetMetrics", &nobody)
            .await,
        Err(INVALID)
    );
    assert_eq!(
        client.call::<IsActiveResponse>("Nothing", &nobody).await,
        Err(UNIMPLEMENTED)
    );
}
