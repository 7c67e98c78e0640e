//===- TripwiresTest.cpp - stops on the way through memory --------------------------------------===//

#include "tools/heddle/Tripwires.h"
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>

using namespace heddle;

namespace {

class TripwiresTest : public testing::Test {
protected:
  const int64_t page = Tripwires::pageBytes(), bytes = 8 * page;
  char *memory = static_cast<char *>(
      mmap(nullptr, size_t(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::string told;

  ~TripwiresTest() override { munmap(memory, size_t(bytes)); }
  void write(int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i += 64)
      static_cast<volatile char *>(memory)[i] = 1;
  }
  /// Goes through memory row by row, and tells of its quarters.
  void run(const Tripwires &wires, int64_t from = 0) {
    told.clear();
    auto body = [&] {
      for (int64_t quarter = from; quarter < 4; ++quarter) {
        write(quarter * bytes / 4, (quarter + 1) * bytes / 4);
        told += std::to_string(quarter);
      }
    };
    Tripwires(wires).run(body, [&] { told += '('; }, [&] { told += ')'; });
  }
};

TEST_F(TripwiresTest, StopOnceAtEachCutInEveryRun) {
  Tripwires wires(memory, bytes, 4);
  ASSERT_EQ(wires.count(), 3);
  for (int i = 0; i < 3; ++i) {
    run(wires);
    EXPECT_EQ(told, "0()1()2()3");
  }
  run(wires, 2); // the others stay in peace
  EXPECT_EQ(told, "()2()3");
  write(0, bytes); // no wire is left
  EXPECT_EQ(told, "()2()3");
}

TEST_F(TripwiresTest, ThinnedLeaveOneOfSome) {
  Tripwires wires(memory, bytes, 8);
  wires.thin(4);
  ASSERT_EQ(wires.count(), 1);
  run(wires);
  EXPECT_EQ(told, "01()23");
  wires.thin(1);
  EXPECT_EQ(wires.count(), 1);
  wires.thin(2);
  EXPECT_EQ(wires.count(), 0);
}

TEST_F(TripwiresTest, NoMoreThanPages) {
  EXPECT_EQ(Tripwires(memory, bytes, 100).count(), 7);
  EXPECT_EQ(Tripwires(memory + 64, bytes - 64, 100).count(), 7);
  EXPECT_EQ(Tripwires(memory, page, 4).count(), 0);
  EXPECT_EQ(Tripwires().count(), 0);
  run(Tripwires());
  EXPECT_EQ(told, "0123");
}

TEST_F(TripwiresTest, OtherFaultsStayFaults) {
  mprotect(memory, size_t(page), PROT_NONE);
  EXPECT_DEATH(run(Tripwires(memory + page, bytes - page, 3)), "");
}

} // namespace
