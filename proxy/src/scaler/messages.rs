//! The messages of KEDA's external scaler, by their field numbers (proto3, package `externalscaler`).
//!
//! Written by hand, seven of them: so a clone builds without a compiler for `.proto` files. The tests hold each to the
//! bytes that the numbers and types give, worked out by hand from the encoding's specification.

use std::collections::HashMap;

use prost::Message;

/// Whom a call is about.
#[derive(Clone, PartialEq, Message)]
pub struct ScaledObjectRef {
    /// Of the `ScaledObject`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Of the `ScaledObject`.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// The trigger's whole `metadata`, `scalerAddress` included.
    #[prost(map = "string, string", tag = "3")]
    pub scaler_metadata: HashMap<String, String>,
}

/// Whether there should be replicas at all.
#[derive(Clone, PartialEq, Message)]
pub struct IsActiveResponse {
    /// It should be more than zero.
    #[prost(bool, tag = "1")]
    pub result: bool,
}

/// Which metrics there are. Never empty: KEDA takes that for a failure.
#[derive(Clone, PartialEq, Message)]
pub struct GetMetricSpecResponse {
    /// One each.
    #[prost(message, repeated, tag = "1")]
    pub metric_specs: Vec<MetricSpec>,
}

/// A metric and how much of it one replica is for.
#[derive(Clone, PartialEq, Message)]
pub struct MetricSpec {
    /// KEDA puts the trigger's number in front of it for Kubernetes and takes it off again.
    #[prost(string, tag = "1")]
    pub metric_name: String,
    /// For older KEDA, which knows no float.
    #[prost(int64, tag = "2")]
    pub target_size: i64,
    /// Counts when above zero.
    #[prost(double, tag = "3")]
    pub target_size_float: f64,
}

/// Asks for a value.
#[derive(Clone, PartialEq, Message)]
pub struct GetMetricsRequest {
    /// Whose.
    #[prost(message, optional, tag = "1")]
    pub scaled_object_ref: Option<ScaledObjectRef>,
    /// As in its [`MetricSpec`].
    #[prost(string, tag = "2")]
    pub metric_name: String,
}

/// Values.
#[derive(Clone, PartialEq, Message)]
pub struct GetMetricsResponse {
    /// One each.
    #[prost(message, repeated, tag = "1")]
    pub metric_values: Vec<MetricValue>,
}

/// The total over all replicas; the autoscaler divides by their number.
#[derive(Clone, PartialEq, Message)]
pub struct MetricValue {
    /// As in its [`MetricSpec`].
    #[prost(string, tag = "1")]
    pub metric_name: String,
    /// Counts when the float is zero.
    #[prost(int64, tag = "2")]
    pub metric_value: i64,
    /// Counts when above zero.
    #[prost(double, tag = "3")]
    pub metric_value_float: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes to exactly `bytes`, and is read from them.
    fn is<M: Message + Default + PartialEq + std::fmt::Debug>(message: &M, bytes: &[u8]) {
        assert_eq!(message.encode_to_vec(), bytes);
        assert_eq!(decoded::<M>(bytes), *message);
    }

    fn decoded<M: Message + Default>(bytes: &[u8]) -> M {
        M::decode(bytes).unwrap()
    }

    // A field's key is number * 8 + wire type: 0 varint, 1 eight bytes, 2 with a length in front.

    fn whom() -> ScaledObjectRef {
        ScaledObjectRef {
            name: "so".to_owned(),
            namespace: "n".to_owned(),
            scaler_metadata: HashMap::from([("pool".to_owned(), "a".to_owned())]),
        }
    }

    const WHOM: &[u8] = b"\x0a\x02so\x12\x01n\x1a\x09\x0a\x04pool\x12\x01a";

    #[test]
    fn the_reference_is_name_1_namespace_2_and_a_map_3() {
        is(&whom(), WHOM);
        is(&ScaledObjectRef::default(), b"");
    }

    #[test]
    fn activity_is_a_bool_1_that_false_leaves_out() {
        is(&IsActiveResponse { result: true }, b"\x08\x01");
        is(&IsActiveResponse { result: false }, b"");
    }

    #[test]
    fn a_spec_is_name_1_int_2_and_double_3() {
        let spec = MetricSpec {
            metric_name: "m".to_owned(),
            target_size: 1,
            target_size_float: 1.0,
        };
        let bytes = b"\x0a\x01m\x10\x01\x19\0\0\0\0\0\0\xf0\x3f";
        is(&spec, bytes);
        let specs = GetMetricSpecResponse {
            metric_specs: vec![spec],
        };
        is(&specs, &[b"\x0a\x0e", &bytes[..]].concat());
    }

    #[test]
    fn a_request_is_the_reference_1_and_a_name_2() {
        let request = GetMetricsRequest {
            scaled_object_ref: Some(whom()),
            metric_name: "m".to_owned(),
        };
        is(&request, &[b"\x0a\x12", WHOM, b"\x12\x01m"].concat());
    }

    #[test]
    fn a_value_is_name_1_int_2_and_double_3() {
        let value = MetricValue {
            metric_name: "m".to_owned(),
            metric_value: 300,
            metric_value_float: 300.0,
        };
        let bytes = b"\x0a\x01m\x10\xac\x02\x19\0\0\0\0\0\xc0\x72\x40";
        is(&value, bytes);
        let values = GetMetricsResponse {
            metric_values: vec![value],
        };
        is(&values, &[b"\x0a\x0f", &bytes[..]].concat());
    }

    #[test]
    fn fields_of_later_versions_are_passed_over() {
        let bytes = [WHOM, b"\x22\x01x\x28\x05"].concat();
        assert_eq!(decoded::<ScaledObjectRef>(&bytes), whom());
    }

    #[test]
    fn bytes_that_end_early_are_an_error() {
        for length in 1..WHOM.len() {
            // Ends between two fields are messages of their own.
            if ![4, 7].contains(&length) {
                assert!(
                    ScaledObjectRef::decode(&WHOM[..length]).is_err(),
                    "{length}"
                );
            }
        }
    }
}
