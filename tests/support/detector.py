"""The detector as a process of its own."""

from tests.support.service import ServiceProcess


class DetectorProcess(ServiceProcess):
    """`fraud-detector run`."""

    module, command = "fraud_detector", "run"
    port_setting = "ORDERWATCH_DETECTOR_PORT"
