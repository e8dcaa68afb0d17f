//! Workloads with exact ground truth and the harness that runs them under the tracer.
