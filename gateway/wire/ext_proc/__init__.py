"""Envoy's protocol of external processors: what it tells of an exchange on its way, and what it is told to do.

https://github.com/envoyproxy/envoy/blob/main/api/envoy/service/ext_proc/v3/external_processor.proto

As much of its messages as is needed, by their numbers; tests hold them against the published definitions.
"""
