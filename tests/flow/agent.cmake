# Flow tests of the agent: scripted histories through bus, mirror and pipeline into maps, all of it faked outside.
trivium_library(agent_world
  SOURCES agent_world.cc fake_control_plane.cc map_judge.cc
  DEPS agent fake_bus fake_node GTest::gtest)
trivium_test(agent_endpoint_flow_test LABEL unit SOURCES agent_endpoint_test.cc DEPS agent_world)
trivium_library(random_world_history SOURCES random_history.cc DEPS agent_world made_up_policies)
trivium_test(agent_history_flow_test LABEL unit SOURCES agent_history_test.cc DEPS random_world_history TIMEOUT 300)
trivium_test(agent_crash_flow_test LABEL unit SOURCES agent_crash_test.cc DEPS random_world_history TIMEOUT 300)
trivium_test(agent_fault_flow_test LABEL unit SOURCES agent_fault_test.cc DEPS random_world_history)
trivium_test(agent_report_flow_test LABEL unit SOURCES agent_report_test.cc DEPS agent_world)
trivium_test(agent_cidr_group_flow_test LABEL unit SOURCES agent_cidr_group_test.cc DEPS agent_world)
trivium_test(agent_relabel_flow_test LABEL unit SOURCES agent_relabel_test.cc agent_retired_test.cc DEPS agent_world)
trivium_test(agent_scale_flow_test LABEL unit SOURCES agent_scale_test.cc DEPS fake_node policy_scale)
trivium_test(agent_full_maps_flow_test LABEL unit SOURCES agent_full_maps_test.cc DEPS agent_world)
trivium_test(agent_why_flow_test LABEL unit SOURCES agent_why_test.cc DEPS agent_world)
