# The agent's rooms. Pure ones (delta, compile, desired, reconcile, mirror, inbox) link neither NATS nor libbpf.
trivium_library(map_io
  SOURCES reconcile/map_io.cc
  DEPS base)

# From objects and local endpoints to the kernel's maps; the conformance runner drives it too.
trivium_library(agent_pipeline
  SOURCES
    compile/keys.cc compile/rule_set_table.cc compile/selector_cache.cc
    desired/address_table.cc desired/cidr_identities.cc desired/numbers.cc desired/pipeline.cc
    desired/pipeline_local.cc desired/pipeline_not_enforced.cc desired/policy_table.cc
    reconcile/kernel_maps.cc reconcile/map_writer.cc reconcile/reconciler.cc
  DEPS base schema policy map_io absl::flat_hash_map absl::flat_hash_set absl::hash absl::strings)

trivium_test(agent_delta_test LABEL unit SOURCES delta/delta_map_test.cc DEPS base absl::flat_hash_map
  absl::flat_hash_set)

# Messages in streams and files: pure, and fuzzed.
trivium_library(agent_framing
  SOURCES endpoint/framing.cc mirror/frames.cc
  DEPS base schema)

# Everything else but main: logs in, endpoints, reports.
trivium_library(agent
  SOURCES
    app.cc config.cc
    endpoint/control_client.cc endpoint/endpoint_manager.cc endpoint/endpoint_manager_view.cc
    endpoint/endpoint_store.cc
    endpoint/node_registrar.cc endpoint/socket_server.cc
    inbox/cluster_feed.cc inbox/inbox.cc inbox/snapshot_fetch.cc
    mirror/cluster_copy.cc
    report/agent_metrics.cc report/endpoint_maps.cc report/enforcement.cc report/flow_log.cc
    report/flow_publisher.cc report/flow_text.cc report/map_text.cc report/start_stamp.cc
  DEPS agent_framing agent_pipeline metrics replica)

trivium_binary(trivium-agent
  SOURCES housekeeping.cc main.cc
  DEPS agent bus_nats kernel_devices daemon)

trivium_test(agent_unit_test LABEL unit
  SOURCES compile/selector_cache_test.cc config_test.cc desired/address_table_test.cc
          endpoint/socket_server_test.cc inbox/sync_gate_test.cc mirror/frames_test.cc
          report/flow_test.cc report/start_stamp_test.cc
  DEPS agent fake_bus)
