#include "controlplane/db/sql_state.h"

#include <gtest/gtest.h>

namespace trivium {
namespace {

struct Case {
  const char* state;
  SqlAction action;
  absl::StatusCode code;
};

class SqlStateTest : public testing::TestWithParam<Case> {};

TEST_P(SqlStateTest, MeansOneAction) {
  EXPECT_EQ(ActionFor(GetParam().state), GetParam().action);
  EXPECT_EQ(SqlError(GetParam().state, "x").code(), GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(
    Table, SqlStateTest,
    testing::Values(Case{"40001", SqlAction::kRetry, absl::StatusCode::kUnavailable},
                    Case{"40P01", SqlAction::kRetry, absl::StatusCode::kUnavailable},
                    Case{"55P03", SqlAction::kRetry, absl::StatusCode::kUnavailable},
                    Case{"57014", SqlAction::kRetry, absl::StatusCode::kUnavailable},
                    Case{"53200", SqlAction::kRetry, absl::StatusCode::kUnavailable},
                    Case{"53300", SqlAction::kReconnect, absl::StatusCode::kUnavailable},
                    Case{"08001", SqlAction::kReconnect, absl::StatusCode::kUnavailable},
                    Case{"25006", SqlAction::kReconnect, absl::StatusCode::kUnavailable},
                    Case{"XXUUU", SqlAction::kReconnect, absl::StatusCode::kUnavailable},
                    Case{"40003", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},
                    Case{"08006", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},
                    Case{"08003", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},
                    Case{"57P01", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},
                    Case{"57P02", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},
                    Case{"58030", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},
                    Case{"0A000", SqlAction::kPrepareAgain, absl::StatusCode::kInternal},
                    Case{"26000", SqlAction::kPrepareAgain, absl::StatusCode::kInternal},
                    Case{"23502", SqlAction::kFinal, absl::StatusCode::kInternal},
                    Case{"23505", SqlAction::kFinal, absl::StatusCode::kAlreadyExists},
                    Case{"28P01", SqlAction::kFinal, absl::StatusCode::kPermissionDenied},
                    Case{"42501", SqlAction::kFinal, absl::StatusCode::kPermissionDenied},
                    Case{"42P01", SqlAction::kFinal, absl::StatusCode::kFailedPrecondition},
                    Case{"42601", SqlAction::kFinal, absl::StatusCode::kInternal},
                    Case{"XX000", SqlAction::kFinal, absl::StatusCode::kInternal}),
    [](const auto& test) { return std::string("S") + test.param.state; });

TEST(SqlErrorTest, CarriesStateAndStep) {
  const absl::Status error = SqlError("23502", "null value", 2);
  EXPECT_EQ(SqlStateOf(error), "23502");
  EXPECT_EQ(FailedStepOf(error), 2u);
  EXPECT_EQ(SqlStateOf(absl::InternalError("SQL 40001")), "") << "texts decide nothing";
  EXPECT_FALSE(FailedStepOf(SqlError("08006", "lost")).has_value());
}

}  // namespace
}  // namespace trivium
