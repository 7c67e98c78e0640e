//===- WitnessTest.cpp - when a loop is at its best ---------------------------------------------===//

#include "tools/heddle/Witness.h"
#include <gtest/gtest.h>

using namespace heddle;

namespace {

/// So many rates of a loop that does 100 a clock, of which a share is `slow`, at clocks from 3 to 4.
LoopRates ratesOf(int count, double shareSlow, double slow) {
  LoopRates rates;
  for (int i = 0; i < count; ++i) {
    double clock = 3 + i % 7 / 6.0;
    rates.add((i % 100 < 100 * shareSlow ? slow : 100) * clock, clock, clock);
  }
  return rates;
}

TEST(WitnessTest, ThreeInAHundredMayBeLost) {
  LoopRates rates = ratesOf(2000, 0, 0);
  EXPECT_TRUE(rates.isBest(100));
  EXPECT_TRUE(rates.isBest(97.6));
  EXPECT_FALSE(rates.isBest(96.9));
  EXPECT_FALSE(LoopRates().isBest(100)); // nothing is known
}

TEST(WitnessTest, ALowerClockIsNoDisturbance) {
  LoopRates rates = ratesOf(2000, 0, 0);
  EXPECT_TRUE(rates.isBest(rates.add(280, 2.8, 2.8)));
  EXPECT_FALSE(rates.isBest(rates.add(280, 3.0, 3.0)));
}

TEST(WitnessTest, AnInterruptOfAChainIsNoLowerClock) {
  LoopRates rates = ratesOf(2000, 0, 0);
  EXPECT_DOUBLE_EQ(rates.add(400, 2, 4), 100);
  EXPECT_DOUBLE_EQ(rates.add(400, 4, 2), 100);
  for (int i = 0; i < 2000; ++i) // not steady: nothing is learnt of these
    rates.add(800, 2, 4);
  EXPECT_TRUE(rates.isBest(100));
}

TEST(WitnessTest, FewThatLookTooGoodDoNotHideTheOthers) {
  LoopRates rates = ratesOf(2000, 0.02, 150);
  EXPECT_TRUE(rates.isBest(100));
  EXPECT_FALSE(rates.isBest(96.9));
  EXPECT_FALSE(rates.isBest(150));
}

TEST(WitnessTest, AlsoManyThatLookTooGoodByAnythingDoNot) {
  LoopRates rates;
  for (int i = 0; i < 2000; ++i)
    rates.add(i % 5 ? i % 2 ? 100 : 60 + i % 37 : 103 + i % 61, 1, 1);
  EXPECT_TRUE(rates.isBest(100));
  EXPECT_FALSE(rates.isBest(103));
}

TEST(WitnessTest, WhatIsMostlyDisturbedHasNoBest) {
  EXPECT_FALSE(ratesOf(2000, 0.95, 60).isBest(100));
  EXPECT_FALSE(ratesOf(2000, 0.95, 60).isBest(60));
  EXPECT_FALSE(ratesOf(2000, 0.7, 60).isBest(60));
  EXPECT_TRUE(ratesOf(2000, 0.7, 60).isBest(100));
}

} // namespace
