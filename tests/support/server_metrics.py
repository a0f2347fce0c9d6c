"""Metrics as model servers write them: the lines that matter, among some of those that do not."""

from __future__ import annotations

VLLM = b"""# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="llama-3.1-8b"} 8.0
vllm:num_requests_running{engine="1",model_name="llama-3.1-8b"} 4.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="llama-3.1-8b"} 3.0
vllm:num_requests_waiting{engine="1",model_name="llama-3.1-8b"} 0.0
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="llama-3.1-8b"} 0.75
vllm:kv_cache_usage_perc{engine="1",model_name="llama-3.1-8b"} 0.25
# HELP vllm:time_to_first_token_seconds Histogram of time to first token in seconds.
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="llama-3.1-8b"} 0.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="llama-3.1-8b"} 141.0
"""
SGLANG = b"""# HELP sglang:token_usage The token usage
# TYPE sglang:token_usage gauge
sglang:token_usage{engine_type="unified",model_name="llama-3.1-8b",pp_rank="0",tp_rank="0"} 0.28
sglang:token_usage{engine_type="unified",model_name="llama-3.1-8b",pp_rank="0",tp_rank="1"} 0.28
# HELP sglang:num_running_reqs The number of running requests
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{engine_type="unified",model_name="llama-3.1-8b",pp_rank="0",tp_rank="0"} 31.0
sglang:num_running_reqs{engine_type="unified",model_name="llama-3.1-8b",pp_rank="0",tp_rank="1"} 31.0
sglang:num_running_reqs_offline_batch{engine_type="unified",model_name="llama-3.1-8b"} 100.0
# HELP sglang:num_queue_reqs The number of requests in the waiting queue
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{engine_type="unified",model_name="llama-3.1-8b",priority="",tp_rank="0"} 7.0
sglang:num_queue_reqs{engine_type="unified",model_name="llama-3.1-8b",priority="1",tp_rank="0"} 5.0
sglang:num_queue_reqs{engine_type="unified",model_name="llama-3.1-8b",priority="2",tp_rank="0"} 2.0
"""
TRITON = b"""# HELP nv_inference_pending_request_count Instantaneous number of pending requests awaiting execution.
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="ensemble",version="1"} 1
# HELP nv_trt_llm_request_metrics TRT LLM request metrics
# TYPE nv_trt_llm_request_metrics gauge
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="waiting",version="1"} 4
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="context",version="1"} 2
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="scheduled",version="1"} 8
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="max",version="1"} 512
nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="active",version="1"} 12
# HELP nv_trt_llm_kv_cache_block_metrics TRT LLM KV cache block metrics
# TYPE nv_trt_llm_kv_cache_block_metrics gauge
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="tensorrt_llm",version="1"} 0.6
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="tokens_per",model="tensorrt_llm",version="1"} 64
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="used",model="tensorrt_llm",version="1"} 3744
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="tensorrt_llm",version="1"} 6240
"""
TRTLLM = b"""# HELP trtllm_kv_cache_utilization KV cache utilization
# TYPE trtllm_kv_cache_utilization gauge
trtllm_kv_cache_utilization{engine_type="pytorch",model_name="llama-3.1-8b"} 0.125
trtllm_num_requests_running{engine_type="pytorch",model_name="llama-3.1-8b"} 2.0
trtllm_num_requests_waiting{engine_type="pytorch",model_name="llama-3.1-8b"} 0.0
"""
