"""Acts as KEDA's operator towards an external scaler, by its published behaviour (pkg/scalers/external_scaler.go).

usage: keda.py STUBS ADDRESS [DIRECTORY-WITH-CERTIFICATES]

The test drives it: each line on stdin is a step, answered by one line of JSON on stdout. What KEDA does by itself (open a
stream again when it ended, after a pause) it does here too; the pause is reported instead of waited for, except that a
connection must come back.
"""

import json
import math
import pathlib
import queue
import sys
import threading

import grpc

sys.path.insert(0, sys.argv[1])
import externalscaler_pb2 as messages
import externalscaler_pb2_grpc as service

PAUSE_MIN, PAUSE_MAX = 2, 60
TRIGGER = 3  # the trigger's number within its ScaledObject


def open_channel():
    # As KEDA's service config has it: one channel for all objects, requests spread over all addresses.
    options = [("grpc.service_config", '{"loadBalancingConfig": [{"round_robin":{}}]}'),
               ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 100)]
    if len(sys.argv) < 4:
        return grpc.insecure_channel(sys.argv[2], options)
    read = lambda name: (pathlib.Path(sys.argv[3]) / name).read_bytes()
    return grpc.secure_channel(sys.argv[2], grpc.ssl_channel_credentials(
        read("ca.pem"), read("keda.key"), read("keda.crt")), options)


class PushScaler:
    """One external-push trigger."""

    def __init__(self, stub, metadata):
        self.stub = stub
        self.whom = messages.ScaledObjectRef(name="antrag", namespace="berlin", scalerMetadata=metadata)
        self.news = queue.Queue()
        self.reopen = {name: threading.Semaphore(0) for name in ("activity", "spec")}

    def metric_specs(self):
        return self.build(self.stub.GetMetricSpec(self.whom, timeout=10))

    def build(self, response):
        # The float counts when it is above zero, else the integer does.
        return [[f"s{TRIGGER}-{spec.metricName}",
                 spec.targetSizeFloat if spec.targetSizeFloat > 0 else spec.targetSize]
                for spec in response.metricSpecs]

    def metrics_and_activity(self, name):
        name = name.removeprefix(f"s{TRIGGER}-")
        response = self.stub.GetMetrics(
            messages.GetMetricsRequest(scaledObjectRef=self.whom, metricName=name), timeout=10)
        values = []
        for metric in response.metricValues:
            value = metric.metricValueFloat if metric.metricValueFloat > 0 else metric.metricValue
            values.append(value if math.isfinite(value) and value > 0 else 0)
        return values, self.stub.IsActive(self.whom, timeout=10).result

    def run(self):
        threading.Thread(target=self.stream, args=("activity", self.once_active, False), daemon=True).start()
        threading.Thread(target=self.stream, args=("spec", self.once_spec, True), daemon=True).start()

    def once_active(self):
        for response in self.stub.StreamIsActive(self.whom, wait_for_ready=True):
            self.news.put(["active", response.result])

    def once_spec(self):
        for response in self.stub.StreamMetricSpec(self.whom, wait_for_ready=True):
            self.received = True
            self.news.put(["spec", self.build(response)])

    def stream(self, name, once, reset_by_update):
        pause = PAUSE_MIN
        while True:
            self.received = False
            try:
                once()
                ended, pause = "EOF", PAUSE_MIN
            except grpc.RpcError as error:
                ended = error.code().name
                if ended == "UNIMPLEMENTED":
                    return
                if reset_by_update and self.received:
                    pause = PAUSE_MIN
            self.news.put(["ended", name, ended, pause])
            pause = min(pause * 2, PAUSE_MAX)
            self.reopen[name].acquire()


def step(scaler, words):
    if words[0] == "specs":
        return scaler.metric_specs()
    if words[0] == "poll":
        return scaler.metrics_and_activity(words[1])
    if words[0] == "run":
        return scaler.run()
    if words[0] == "news":  # the next that a stream brought
        return scaler.news.get(timeout=20)
    if words[0] == "silent":
        return scaler.news.empty()
    if words[0] == "reopen":
        return [stream.release() for stream in scaler.reopen.values()]
    raise ValueError(words)


def main():
    stub = service.ExternalScalerStub(open_channel())
    scalers = {}
    for line in sys.stdin:
        step_of = json.loads(line)
        metadata, words = step_of["metadata"], step_of["step"]
        key = json.dumps(metadata, sort_keys=True)
        scaler = scalers.setdefault(key, PushScaler(stub, metadata))
        try:
            answer = {"ok": step(scaler, words)}
        except grpc.RpcError as error:
            answer = {"error": error.code().name}
        print(json.dumps(answer), flush=True)


main()
