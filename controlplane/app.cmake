# Configuration that several daemons share.
trivium_library(daemon_config SOURCES config_parts.cc DEPS base db schema)

# The control plane process without its drivers (SQL, NATS): everything that tests run on fakes.
trivium_library(controlplane
  SOURCES app.cc cluster_service.cc config.cc head_watch.cc metrics.cc start_steps.cc
          api/epoch_admin.cc api/policy_differ.cc api/reader.cc api/server.cc api/tracer.cc api/waiter.cc
          compaction/log_keeper.cc
          identity/identity_keeper.cc identity/namespace_mover.cc
          lease/forwarder.cc lease/lease_keeper.cc
          liveness/detector.cc liveness/observer.cc
          publisher/pacer.cc publisher/publisher.cc
          reachability/changes.cc reachability/collect.cc reachability/positions.cc
          reachability/reachability_keeper.cc reachability/reachability_table.cc reachability/verdict_table.cc
          status/agent_table.cc
          sync/cluster_mirror.cc sync/follower.cc sync/mirrors.cc sync/snapshot_cache.cc sync/sync_server.cc
          writer/request_memory.cc writer/writer.cc
  DEPS base schema replica policy metrics store planner daemon_config spdlog::spdlog)
target_compile_definitions(controlplane PUBLIC TRIVIUM_VERSION="${PROJECT_VERSION}")

trivium_binary(trivium-controlplane
  SOURCES main.cc
  DEPS controlplane sql_store migrate bus_nats trivium_allocator daemon)

trivium_test(planner_test LABEL unit
  SOURCES writer/addresses_test.cc writer/draft_test.cc writer/plan_endpoint_test.cc
          writer/plan_cilium_test.cc writer/plan_manifest_test.cc writer/plan_node_test.cc
  DEPS controlplane)

trivium_test(reachability_test LABEL unit
  SOURCES reachability/reachability_table_test.cc
  DEPS controlplane fake_store)

trivium_test(writer_test LABEL unit
  SOURCES writer/writer_pace_test.cc writer/writer_test.cc
  DEPS controlplane fake_store)

trivium_test(controlplane_test LABEL unit
  SOURCES config_test.cc head_watch_test.cc liveness/detector_test.cc publisher/pacer_test.cc
          sync/follower_test.cc sync/snapshot_cache_test.cc
  DEPS controlplane fake_bus fake_store)
