// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table.h"

namespace mutants {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Table TableOf(const std::string& text) {
  std::string error;
  std::optional<Table> table = Table::Parse(text, &error);
  EXPECT_TRUE(table) << error;
  return table.value_or(Table());
}

// Without the comment at the top.
std::string Rows(const Table& table) {
  const std::string text = table.Serialize();
  return text.substr(text.find('\n', text.rfind('#')) + 1);
}

Result Seen(const std::string& mutant, const std::string& test,
            Outcome outcome = Outcome::kFailed) {
  return {mutant, Kind::kTest, "s_test", test, outcome, 1};
}

constexpr char kRows[] =
    "s_test\tA.B\tENOSYS\tm/Read,n@debug/Write\n"
    "s_test\tA.C\tENOSYS\tnothing\n"
    "s_test\tA.D\tfails\tunpatched\n"
    "s_test\tA.E\tfails\tunpatched,m\n"
    "s_test\tA.F\tpasses\tnothing\n";
const std::vector<Declared> kDeclared = {
    {"s_test", "A.B/Read", "ENOSYS"}, {"s_test", "A.B/Write", "ENOSYS"},
    {"s_test", "A.C", "ENOSYS"},      {"s_test", "A.D", "fails"},
    {"s_test", "A.E", "fails"},       {"s_test", "A.F", "passes"}};

TEST(Names, OfInstances) {
  EXPECT_EQ(BaseOf("A.B/C/1"), "A.B");
  EXPECT_EQ(InstanceOf("A.B/C/1"), "C/1");
  EXPECT_EQ(BaseOf("A.B"), "A.B");
  EXPECT_EQ(InstanceOf("A.B"), "");
}

TEST(Table, IsReadAsItWasWritten) { EXPECT_EQ(Rows(TableOf(kRows)), kRows); }

TEST(Table, IsRefusedIfALineIsNoRow) {
  for (const char* bad :
       {"s\tA.B\tENOSYS", "s\tA.B\tENOSYS\t", "s\tA.B\tcrashes\tm", "s\tA.B\tENOSYS\tunpatched",
        "s\tA.B\tfails\tm", "s\tA.B\tfails\tnothing", "s\tA.B\tENOSYS\tm,,n", "s\tA.B\tENOSYS\tm,m",
        "s\tA.B\tENOSYS\tm/", "s\tA.B\tENOSYS\t@debug", "s\t\tENOSYS\tm",
        "s\tA.B\tENOSYS\tm\ns\tA.B\tENOSYS\tn"}) {
    std::string error;
    EXPECT_FALSE(Table::Parse(bad, &error)) << bad;
    EXPECT_FALSE(error.empty());
  }
}

TEST(Table, SaysWhatEachMutantMustTurnRed) {
  const Table table = TableOf(kRows);
  EXPECT_THAT(table.Wants(false), ElementsAre(Want{"m", Kind::kTest, "s_test", "A.B/Read"},
                                              Want{"m", Kind::kTest, "s_test", "A.E"}));
  EXPECT_THAT(table.Wants(true), ElementsAre(Want{"n", Kind::kTest, "s_test", "A.B/Write"}));
}

TEST(Table, OfKunit) {
  Table table = TableOf("revoke\tb_test\tKUnit\tm\nrevoke\tb_test\tUML\tn\n");
  table.FindOrAdd("KUnit", "revoke", "a_test").Add({.mutant = "o"});
  table.FindOrAdd("KUnit", "revoke", "b_test").Add({.mutant = "p"});
  EXPECT_EQ(Rows(table),
            "revoke\ta_test\tKUnit\to\nrevoke\tb_test\tKUnit\tm,p\nrevoke\tb_test\tUML\tn\n");
  EXPECT_THAT(table.Wants(false), SizeIs(4));
  EXPECT_EQ(table.Wants(false)[1].kind, Kind::kUml);
}

TEST(Follow, KeepsWhatIsKnownAndTellsWhatIsLost) {
  Table table = TableOf(kRows);
  EXPECT_THAT(table.Follow({{"s_test", "A.B/Read", "ENOSYS"},
                            {"s_test", "A.B/Write", "ENOSYS"},
                            {"s_test", "A.New", "ENOSYS"},
                            {"s_test", "A.D", "fails"}}),
              ElementsAre("s_test A.E unpatched,m"));
  EXPECT_EQ(Rows(table),
            "s_test\tA.B\tENOSYS\tm/Read,n@debug/Write\n"
            "s_test\tA.New\tENOSYS\tnothing\n"
            "s_test\tA.D\tfails\tunpatched\n");
}

TEST(EnterObserved, TheMostSpecificMutantIsTaken) {
  Table table = TableOf(kRows);
  EXPECT_THAT(EnterObserved({Seen("broad", "A.B/Read"), Seen("broad", "A.C"), Seen("broad", "A.D"),
                             Seen("fine", "A.C"), Seen("fine", "A.F", Outcome::kPassed)},
                            &table),
              ElementsAre("s_test A.C fine"));
  EXPECT_EQ(table.Find("s_test", "A.C")->proofs.size(), 1U);
  EXPECT_FALSE(table.Find("s_test", "A.F")->Proven());
}

TEST(EnterObserved, CleanFailureIsPreferredToAHang) {
  Table table = TableOf(kRows);
  EXPECT_THAT(EnterObserved({Seen("broad", "A.C"), Seen("broad", "A.B/Read"),
                             Seen("fine", "A.C", Outcome::kHung)},
                            &table),
              ElementsAre("s_test A.C broad"));
}

TEST(EnterObserved, QuickFailureIsPreferredToAWait) {
  Table table = TableOf(kRows);
  Result slow = Seen("fine", "A.C");
  slow.seconds = 9;
  EXPECT_THAT(EnterObserved({Seen("broad", "A.C"), Seen("broad", "A.B/Read"), slow}, &table),
              ElementsAre("s_test A.C broad"));
}

TEST(EnterObserved, TheControlRunProvesNothing) {
  Table table = TableOf(kRows);
  EXPECT_THAT(EnterObserved({Seen("none", "A.C")}, &table), IsEmpty());
}

TEST(ParseObserved, TheLastResultCounts) {
  std::string error;
  const auto observed = ParseObserved(
      ResultLine(Seen("m", "A.B")) + ResultLine(Seen("m", "A.B", Outcome::kPassed)), &error);
  ASSERT_TRUE(observed);
  EXPECT_THAT(*observed, ElementsAre(Seen("m", "A.B", Outcome::kPassed)));
  EXPECT_FALSE(ParseObserved("begin\tx\n", &error));
}

TEST(Contradicted, IsWhatTheLastRunDidNotMakeRed) {
  const Table table = TableOf(kRows);
  EXPECT_THAT(Contradicted({Seen("m", "A.B/Read", Outcome::kPassed), Seen("m", "A.E")}, table),
              ElementsAre("s_test A.B/Read by m: passed"));
}

TEST(Import, GoesToTheTableOfItsKind) {
  Table tests = TableOf(kRows);
  Table kunit;
  std::string error;
  EXPECT_TRUE(Import("x\tTest\ts_test\tA.B/Read\tdebug\ny\tKUnit\trevoke\ta_test\n", &tests, &kunit,
                     &error))
      << error;
  EXPECT_THAT(tests.Find("s_test", "A.B")->proofs, SizeIs(3));
  EXPECT_EQ(Rows(kunit), "revoke\ta_test\tKUnit\ty\n");
  for (const char* bad : {"x\tTest\ts_test\tA.None", "x\tTest\ts_test", "x\tTest\ts\tt\tslow"}) {
    EXPECT_FALSE(Import(bad, &tests, &kunit, &error)) << bad;
    EXPECT_THAT(error, HasSubstr(bad));
  }
}

// As above, but each row has a proof.
constexpr char kProven[] =
    "s_test\tA.B\tENOSYS\tm/Read,n@debug/Write\n"
    "s_test\tA.C\tENOSYS\tm\n"
    "s_test\tA.D\tfails\tunpatched\n"
    "s_test\tA.E\tfails\tunpatched,m\n"
    "s_test\tA.F\tpasses\tn\n";

TEST(Problems, NoneIfAllIsWell) {
  EXPECT_THAT(Problems(TableOf(kProven), kDeclared, {"m", "n"}), IsEmpty());
}

TEST(Problems, NothingIsNeverEnough) {
  EXPECT_THAT(Problems(TableOf(kRows), kDeclared, {"m", "n"}),
              ElementsAre(HasSubstr("A.C: nothing"), HasSubstr("A.F: nothing")));
}

TEST(Problems, TestsAndRowsMustBeTheSame) {
  std::vector<Declared> declared = kDeclared;
  declared.erase(declared.begin() + 1);               // A.B/Write
  declared.push_back({"s_test", "A.New", "ENOSYS"});  // without a row
  declared[3].declaration = "passes";                 // A.E
  std::erase_if(declared, [](const Declared& test) { return test.test == "A.F"; });
  EXPECT_THAT(Problems(TableOf(kProven), declared, {"m", "n"}),
              ElementsAre(HasSubstr("there is no test A.B/Write"),
                          HasSubstr("A.E: declares passes, not fails"),
                          HasSubstr("A.F: there is no such test"),
                          HasSubstr("A.New: is not in the table")));
}

TEST(Problems, MutantsMustBeKnown) {
  EXPECT_THAT(
      Problems(TableOf(kProven), kDeclared, {"m"}),
      ElementsAre(HasSubstr("A.B: there is no mutant n"), HasSubstr("A.F: there is no mutant n")));
  const Table kunit = TableOf("revoke\ta_test\tKUnit\tm\nrevoke\tb_test\tUML\tn\n");
  EXPECT_THAT(KunitProblems(kunit, {"a_test"}, {"m"}),
              ElementsAre(HasSubstr("no such KUnit test"), HasSubstr("no mutant n")));
}

TEST(Unnoticed, IsAMutantThatNoTableNames) {
  const Table tests = TableOf(kRows);
  const Table kunit = TableOf("revoke\ta_test\tKUnit\tk\n");
  EXPECT_THAT(Unnoticed({"k", "m", "n", "z"}, {&tests, &kunit}, {}),
              ElementsAre(HasSubstr("z: no test")));
  EXPECT_THAT(Unnoticed({"k", "m", "n", "z"}, {&tests, &kunit}, {"z"}), IsEmpty());
}

TEST(Unnoticed, ElsewhereIsForNoOthers) {
  const Table tests = TableOf(kRows);
  EXPECT_THAT(Unnoticed({"m", "n"}, {&tests}, {"gone", "n"}),
              ElementsAre(HasSubstr("no mutant gone"), HasSubstr("n: is said")));
}

}  // namespace
}  // namespace mutants
