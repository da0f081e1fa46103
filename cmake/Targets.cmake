# A sanitized build compiles several files as one (CMAKE_UNITY_BUILD), for half of its time goes into headers. These have
# files whose unnamed namespaces share a name.
set(TRIVIUM_FILE_BY_FILE
    agent agent_framing cli_commands cli_view_test planner policy policy_parse_test policy_reference schema_proto sql_store)

function(trivium_unity name)
  if(name IN_LIST TRIVIUM_FILE_BY_FILE)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
endfunction()

# trivium_library(name SOURCES ... DEPS ...): one room's (or part of a room's) library. DEPS are public.
function(trivium_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${A_DEPS})
  trivium_warnings(${name})
  trivium_unity(${name})
endfunction()

# trivium_binary(name SOURCES ... DEPS ...): a program.
function(trivium_binary name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${A_DEPS})
  trivium_warnings(${name})
  trivium_unity(${name})
endfunction()

# tests_<label>: everything that the tests of a label run, so that scripts/test builds no more than it needs. A test that
# is no trivium_test (a script) adds its programs with add_dependencies(tests_<label> ...).
foreach(label unit sim db nats bpf netns fault fuzz)
  add_custom_target(tests_${label})
endforeach()

# trivium_test(name LABEL unit|sim|db|nats|bpf|netns|fault SOURCES ... DEPS ... [TIMEOUT seconds] [SERIAL]):
# a GoogleTest program, one ctest entry. LABEL says what the test needs from the machine.
function(trivium_test name)
  cmake_parse_arguments(A "SERIAL" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT A_LABEL)
    message(FATAL_ERROR "trivium_test(${name}): LABEL is missing")
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  if(TRIVIUM_SANITIZE)
    math(EXPR A_TIMEOUT "${A_TIMEOUT} * 5")  # instrumented code takes its time
  endif()
  trivium_binary(${name} SOURCES ${A_SOURCES} DEPS ${A_DEPS} GTest::gmock_main)
  add_test(NAME ${name} COMMAND ${name})
  add_dependencies(tests_${A_LABEL} ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT})
  if(A_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

# trivium_with_current_nats(name): the test once more, as <name>_current, with the nats-server of tests/nats/server
# instead of the distribution's. Skipped, with the reason, where that one cannot be built.
function(trivium_with_current_nats name)
  set(server ${CMAKE_BINARY_DIR}/tests/nats/nats-server-current)
  add_test(NAME ${name}_current
           COMMAND ${CMAKE_SOURCE_DIR}/tests/nats/server/run ${server} $<TARGET_FILE:${name}>)
  set_tests_properties(${name}_current PROPERTIES LABELS nats TIMEOUT 300 SKIP_RETURN_CODE 77
                       FIXTURES_REQUIRED nats_server_current)
  add_dependencies(tests_nats ${name})
endfunction()
