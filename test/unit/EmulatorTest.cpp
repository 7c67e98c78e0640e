//===- EmulatorTest.cpp - PTX instructions, divergence, and faults that must be found ------------===//

#include "runtime/emulator/Emulator.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace heddle::ptx;

namespace {

/// One kernel on two buffers of 64-bit words: `in` and `out`, one word for each thread of a block.
struct Machine {
  std::vector<uint64_t> in, out;
  LaunchOptions options;
  uint32_t threads = 32, blocks = 1;
  std::string error;

  Machine(std::vector<uint64_t> input = {}) : in(std::move(input)) {
    in.resize(1024, 0);
    out.assign(1024, 0x5555555555555555u);
  }
  static std::string text(const std::string &registers, const std::string &body) {
    return ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 a, .param "
           ".u64 b)\n{\n"
           ".reg .b64 %rd<9>;\n.reg .b32 %t<4>;\n" +
           registers +
           "\nld.param.b64 %rd0, [a];\nld.param.b64 %rd1, [b];\nmov.u32 %t0, %tid.x;\n"
           "mul.wide.u32 %rd2, %t0, 8;\nadd.s64 %rd3, %rd0, %rd2;\nadd.s64 %rd4, %rd1, %rd2;\n" +
           body + "\nret;\n}\n";
  }
  /// Runs `body`; %rd3 and %rd4 are the thread's places in `in` and `out`. The fault, or "".
  std::string run(const std::string &registers, const std::string &body) {
    std::unique_ptr<Module> module = Module::parse(text(registers, body), error);
    if (!module)
      return error;
    Memory memory;
    memory.add(uint64_t(in.data()), in.size() * 8);
    memory.add(uint64_t(out.data()), out.size() * 8);
    uint64_t pointers[] = {uint64_t(in.data()), uint64_t(out.data())};
    std::vector<uint8_t> parameters(16);
    memcpy(parameters.data(), pointers, 16);
    uint32_t grid[] = {blocks, 1, 1}, block[] = {threads, 1, 1};
    return launch(*module->find("k"), memory, grid, block, 0, parameters, options).fault;
  }
};
uint64_t bits(float x) {
  uint32_t word;
  memcpy(&word, &x, 4);
  return word;
}
float real(uint64_t word) {
  float x;
  uint32_t low = uint32_t(word);
  memcpy(&x, &low, 4);
  return x;
}

/// op %r2, %r0, %r1 on the halves of a word: low 32 bits and high 32 bits.
uint64_t two(const std::string &op, uint32_t a, uint32_t b, std::string *fault = nullptr) {
  Machine m({uint64_t(b) << 32 | a});
  std::string text = m.run(".reg .b32 %r<4>;", "ld.global.v2.b32 {%r0, %r1}, [%rd3];\n" + op +
                                                   " %r2, %r0, %r1;\nst.global.b32 [%rd4], %r2;");
  if (fault)
    *fault = text;
  else
    EXPECT_EQ(text, "");
  return uint32_t(m.out[0]);
}

TEST(Integer, wrapsAndDivides) {
  EXPECT_EQ(two("add.s32", 0xffffffff, 2), 1u);
  EXPECT_EQ(two("sub.s32", 1, 2), 0xffffffffu);
  EXPECT_EQ(two("mul.lo.s32", 0x10001, 0x10001), 0x20001u);
  EXPECT_EQ(two("mul.hi.u32", 0xffffffff, 0xffffffff), 0xfffffffeu);
  EXPECT_EQ(two("mul.hi.s32", 0xffffffff, 0xffffffff), 0u);
  EXPECT_EQ(two("div.s32", uint32_t(-7), 2), uint32_t(-3));
  EXPECT_EQ(two("rem.s32", uint32_t(-7), 2), uint32_t(-1));
  EXPECT_EQ(two("div.u32", 7, 0), 0xffffffffu);
  EXPECT_EQ(two("div.s32", 0x80000000, uint32_t(-1)), 0x80000000u);
  EXPECT_EQ(two("min.s32", uint32_t(-1), 1), uint32_t(-1));
  EXPECT_EQ(two("min.u32", uint32_t(-1), 1), 1u);
}
TEST(Integer, shifts) {
  EXPECT_EQ(two("shl.b32", 1, 31), 0x80000000u);
  EXPECT_EQ(two("shl.b32", 1, 32), 0u); // clamped, not taken modulo 32
  EXPECT_EQ(two("shr.u32", 0x80000000, 40), 0u);
  EXPECT_EQ(two("shr.s32", 0x80000000, 40), 0xffffffffu);
  EXPECT_EQ(two("and.b32", 0b1100, 0b1010), 0b1000u);
  EXPECT_EQ(two("xor.b32", 0b1100, 0b1010), 0b0110u);
}
TEST(Integer, lop3AndPrmt) {
  Machine m({uint64_t(0xff00ff00) << 32 | 0x12345678});
  EXPECT_EQ(m.run(".reg .b32 %r<5>;", "ld.global.v2.b32 {%r0, %r1}, [%rd3];\n"
                                      "lop3.b32 %r2, %r0, %r1, 0, 0xc0;\n" // a and b
                                      "prmt.b32 %r3, %r0, %r1, 0x0123;\n"
                                      "st.global.v2.b32 [%rd4], {%r2, %r3};"),
            "");
  EXPECT_EQ(uint32_t(m.out[0]), 0x12345678u & 0xff00ff00u);
  EXPECT_EQ(m.out[0] >> 32, 0x78563412u);
}

TEST(Float, arithmeticAndNan) {
  EXPECT_EQ(real(two("add.rn.f32", uint32_t(bits(1.5f)), uint32_t(bits(2.25f)))), 3.75f);
  EXPECT_EQ(real(two("div.rn.f32", uint32_t(bits(1)), uint32_t(bits(3)))), 1.0f / 3);
  EXPECT_EQ(real(two("max.f32", uint32_t(bits(NAN)), uint32_t(bits(3)))), 3);
  EXPECT_TRUE(std::isnan(real(two("max.NaN.f32", uint32_t(bits(NAN)), uint32_t(bits(3))))));
  EXPECT_EQ(two("min.f32", uint32_t(bits(0.0f)), uint32_t(bits(-0.0f))), bits(-0.0f));
  EXPECT_EQ(real(two("mul.ftz.f32", uint32_t(bits(1e-40f)), uint32_t(bits(1e30f)))), 0);
  EXPECT_NE(real(two("mul.f32", uint32_t(bits(1e-40f)), uint32_t(bits(1e30f)))), 0);
}
TEST(Float, fmaRoundsOnce) {
  float a = 1 + 0x1p-12f, c = -(1 + 0x1p-11f);
  Machine m({bits(c) << 32 | bits(a)});
  EXPECT_EQ(m.run(".reg .b32 %f<4>;",
                  "ld.global.v2.b32 {%f0, %f1}, [%rd3];\nfma.rn.f32 %f2, %f0, %f0, %f1;\n"
                  "st.global.b32 [%rd4], %f2;"),
            "");
  EXPECT_EQ(real(m.out[0]), 0x1p-24f);
}

uint64_t convert(const std::string &how, uint64_t input, bool from16, bool to16) {
  Machine m({input});
  std::string in = from16 ? "b16 %h0" : "b32 %r0",
              out = to16 ? "b16 [%rd4], %h1" : "b32 [%rd4], %r1";
  std::string operands = std::string(to16 ? " %h1, " : " %r1, ") + (from16 ? "%h0" : "%r0");
  EXPECT_EQ(m.run(".reg .b32 %r<2>;\n.reg .b16 %h<2>;",
                  "ld.global." + in + ", [%rd3];\n" + how + operands + ";\nst.global." + out + ";"),
            "");
  return to16 ? uint16_t(m.out[0]) : uint32_t(m.out[0]);
}
TEST(Convert, sixteenBitFloats) {
  EXPECT_EQ(convert("cvt.rn.f16.f32", bits(1.0f + 0x1p-11f), false, true), 0x3c00u); // tie to even
  EXPECT_EQ(convert("cvt.rn.f16.f32", bits(1.0f + 3 * 0x1p-11f), false, true),
            0x3c02u);                                                         // tie to even
  EXPECT_EQ(convert("cvt.rn.f16.f32", bits(65520.0f), false, true), 0x7c00u); // inf
  EXPECT_EQ(convert("cvt.rn.f16.f32", bits(0x1p-24f), false, true), 1u);      // the least
  EXPECT_EQ(convert("cvt.f32.f16", 0x3555, true, false), bits(0.333251953125f));
  EXPECT_EQ(convert("cvt.rn.bf16.f32", bits(1.0f + 0x1p-8f), false, true), 0x3f80u);
  EXPECT_EQ(convert("cvt.rn.bf16.f32", bits(1.0f + 3 * 0x1p-8f), false, true), 0x3f82u);
}
TEST(Convert, integers) {
  EXPECT_EQ(convert("cvt.rzi.s32.f32", bits(-2.9f), false, false), uint32_t(-2));
  EXPECT_EQ(convert("cvt.rni.s32.f32", bits(2.5f), false, false), 2u);
  EXPECT_EQ(convert("cvt.rzi.s32.f32", bits(1e20f), false, false), 0x7fffffffu);
  EXPECT_EQ(convert("cvt.rzi.s32.f32", bits(NAN), false, false), 0u);
  EXPECT_EQ(convert("cvt.rzi.u32.f32", bits(-5.0f), false, false), 0u);
  EXPECT_EQ(convert("cvt.rn.f32.s32", uint32_t(-16777217), false, false), bits(-16777216.0f));
}

TEST(Integer, funnelShifts) {
  Machine m({uint64_t(0x11223344) << 32 | 0xAABBCCDD});
  EXPECT_EQ(m.run(".reg .b32 %r<6>;", "ld.global.v2.b32 {%r0, %r1}, [%rd3];\n"
                                      "shf.l.wrap.b32 %r2, %r0, %r1, 40;\n"
                                      "shf.r.clamp.b32 %r3, %r0, %r1, 40;\n"
                                      "st.global.v2.b32 [%rd4], {%r2, %r3};"),
            "");
  EXPECT_EQ(m.out[0], uint64_t(0x11223344) << 32 | 0x223344AA); // by 8; by 32 at most
}

TEST(Compare, unorderedForms) {
  Machine m({bits(NAN)});
  EXPECT_EQ(m.run(".reg .b32 %f<2>;\n.reg .pred %p<3>;\n.reg .b32 %r<4>;",
                  "ld.global.b32 %f0, [%rd3];\nsetp.lt.f32 %p0, %f0, 0f3F800000;\nsetp.ltu.f32 "
                  "%p1, %f0, 0f3F800000;\n"
                  "selp.b32 %r0, 1, 0, %p0;\nselp.b32 %r1, 1, 0, %p1;\nst.global.v2.b32 [%rd4], "
                  "{%r0, %r1};"),
            "");
  EXPECT_EQ(m.out[0], uint64_t(1) << 32);
}

TEST(Approximate, staysInItsBoundAndMoves) {
  std::vector<float> seen;
  for (uint64_t perturb : {0, 1, 2}) {
    Machine m({bits(0.7f)});
    m.options.perturb = perturb;
    EXPECT_EQ(
        m.run(
            ".reg .b32 %f<2>;",
            "ld.global.b32 %f0, [%rd3];\nex2.approx.ftz.f32 %f1, %f0;\nst.global.b32 [%rd4], %f1;"),
        "");
    seen.push_back(real(m.out[0]));
    EXPECT_NEAR(seen.back(), std::exp2(0.7), std::exp2(0.7) * 0x1.8p-22);
  }
  EXPECT_TRUE(seen[0] != seen[1] || seen[0] != seen[2]);
}

TEST(Control, lanesDivergeAndMeet) {
  // Odd lanes run another loop count; then all sum up through shuffles.
  Machine m;
  m.threads = 64;
  EXPECT_EQ(m.run(".reg .b32 %r<8>;\n.reg .pred %p<3>;",
                  "and.b32 %r0, %t0, 3;\nmov.b32 %r1, 0;\n"
                  "again:\nadd.s32 %r1, %r1, %t0;\nsub.s32 %r0, %r0, 1;\nsetp.ge.s32 %p0, %r0, "
                  "0;\n@%p0 bra again;\n"
                  "shfl.sync.bfly.b32 %r2, %r1, 16, 31, -1;\nadd.s32 %r3, %r1, %r2;\nbar.sync 0;\n"
                  "st.global.b32 [%rd4], %r3;"),
            "");
  for (int t = 0; t < 64; ++t) {
    auto value = [](int x) { return x * ((x & 3) + 1); };
    EXPECT_EQ(uint32_t(m.out[t]), uint32_t(value(t) + value(t ^ 16)));
  }
}
TEST(Control, branchesRoundAShuffle) {
  // Lane 0 skips a block; the rest must wait for it at the shuffle.
  Machine m;
  EXPECT_EQ(
      m.run(".reg .b32 %r<8>;\n.reg .pred %p<3>;",
            "setp.eq.s32 %p0, %t0, 0;\nmov.b32 %r0, 5;\n@%p0 bra skip;\nmov.b32 %r0, 7;\nskip:\n"
            "shfl.sync.idx.b32 %r1, %r0, 0, 31, -1;\nst.global.b32 [%rd4], %r1;"),
      "");
  EXPECT_EQ(uint32_t(m.out[9]), 5u);
}
TEST(Control, nestedScopesRepeatNames) {
  Machine m;
  EXPECT_EQ(m.run(".reg .b32 %r<3>;",
                  "{ .reg .b32 x; mov.b32 x, 3; bra done; done: mov.b32 %r0, x; }\n"
                  "{ .reg .b32 x; mov.b32 x, 4; bra done; done: mov.b32 %r1, x; }\n"
                  "add.s32 %r2, %r0, %r1;\nst.global.b32 [%rd4], %r2;"),
            "");
  EXPECT_EQ(uint32_t(m.out[0]), 7u);
}
TEST(Control, sharedMemoryUnderEverySeed) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Machine m;
    m.threads = 128;
    m.options.seed = seed;
    EXPECT_EQ(m.run(".shared .align 4 .b8 s[512];\n.reg .b64 %a<4>;\n.reg .b32 %r<4>;",
                    "mov.b64 %a0, s;\nmul.wide.u32 %a1, %t0, 4;\nadd.s64 %a2, %a0, "
                    "%a1;\nst.shared.b32 [%a2], %t0;\n"
                    "bar.sync 0;\nsub.s32 %r0, 127, %t0;\nmul.wide.u32 %a1, %r0, 4;\nadd.s64 %a2, "
                    "%a0, %a1;\n"
                    "ld.shared.b32 %r1, [%a2];\nst.global.b32 [%rd4], %r1;"),
              "");
    for (int t = 0; t < 128; ++t)
      EXPECT_EQ(uint32_t(m.out[t]), uint32_t(127 - t));
  }
}
TEST(Memory, genericAddressesOfSharedAndLocal) {
  Machine m;
  EXPECT_EQ(
      m.run(
          ".local .align 8 .b8 l[16];\n.shared .align 8 .b8 s[8];\n.reg .b64 %a<6>;",
          "mov.b64 %a0, l;\ncvta.local.u64 %a1, %a0;\nst.u64 [%a1+8], %rd2;\nld.local.u64 %a2, "
          "[l+8];\n"
          "mov.b64 %a3, s;\ncvta.shared.u64 %a4, %a3;\nst.u64 [%a4], 9;\nld.shared.u64 %a5, [s];\n"
          "add.s64 %a2, %a2, %a5;\nst.global.u64 [%rd4], %a2;"),
      "");
  EXPECT_EQ(m.out[3], 3 * 8 + 9u);
}
TEST(Memory, atomicsAdd) {
  Machine m;
  m.threads = 96;
  m.out[0] = 0;
  EXPECT_EQ(m.run(".reg .b32 %r<2>;", "atom.global.add.u32 %r0, [%rd1], 2;"), "");
  EXPECT_EQ(uint32_t(m.out[0]), 192u);
}

/// Each is found, and named with its line.
void faulty(const std::string &registers, const std::string &body, const std::string &words,
            uint32_t threads = 32, uint32_t blocks = 1) {
  Machine m;
  m.threads = threads, m.blocks = blocks;
  std::string fault = m.run(registers, body);
  EXPECT_NE(fault.find(words), std::string::npos) << "got: " << fault;
  EXPECT_NE(fault.find("line"), std::string::npos) << fault;
}
TEST(Faults, outOfBounds) {
  faulty("", "st.global.b64 [%rd1+8192], 0;", "is outside every allocation");
}
TEST(Faults, justOver) { faulty("", "ld.global.b64 %rd5, [%rd1+8188];", "misaligned"); }
TEST(Faults, misaligned) { faulty("", "ld.global.b64 %rd5, [%rd3+4];", "misaligned"); }
TEST(Faults, sharedOutOfBounds) {
  faulty(".shared .align 4 .b8 s[8];", "st.shared.b32 [s+8], %t0;", "outside shared memory");
}
TEST(Faults, localOutOfBounds) {
  faulty(".local .align 4 .b8 l[8];", "st.local.b32 [l+8], %t0;", "outside local memory");
}
TEST(Faults, unwrittenRegister) {
  faulty(".reg .b32 %r<2>;", "add.s32 %r1, %r0, 1;", "never written");
}
TEST(Faults, unwrittenOnOneSide) {
  faulty(".reg .b32 %r<2>;\n.reg .pred %p;",
         "setp.eq.s32 %p, %t0, 3;\n@!%p mov.b32 %r0, 1;\nst.global.b32 [%rd4], %r0;",
         "thread 3, line");
}
TEST(Faults, unknownInstruction) {
  faulty("", "frobnicate.b32 %t0, %t0;", "'frobnicate.b32' is not supported");
}
TEST(Faults, unknownModifier) {
  faulty("", "add.sat.s32 %t1, %t0, 1;", "modifier that is not supported: '.sat'");
}
TEST(Faults, unknownRegister) { faulty("", "mov.b32 %t0, %nope;", "'%nope' is not declared"); }
TEST(Faults, unknownLabel) { faulty("", "bra nowhere;", "no label 'nowhere'"); }
TEST(Faults, twoBlocksOneWord) {
  faulty("", "st.global.b32 [%rd1], %t0;", "written by another block", 1, 2);
}
TEST(Faults, barrierThatNotAllReach) {
  faulty(".reg .pred %p;", "setp.lt.u32 %p, %t0, 32;\n@%p bra wait;\nret;\nwait: bar.sync 0;",
         "wait at a barrier", 64);
}
TEST(Faults, lanesWaitApart) {
  faulty(".reg .pred %p;",
         "setp.lt.u32 %p, %t0, 7;\n@%p bra a;\nbar.sync 0;\nbra b;\na: bar.sync 0;\nb:\nmov.b32 "
         "%t1, 0;",
         "wait for each other");
}
TEST(Faults, trap) { faulty("", "trap;", "trap"); }

TEST(Parser, tellsTheLine) {
  std::string error;
  for (const char *text :
       {"", ".version 7.0\n.target sm_80\n.visible .entry k()\n{\n", ".entry", "/* open",
        ".target gfx90", ".visible .entry k() { mov.b32 %r0, 0; ret; }",
        ".visible .entry k() { .reg .b32 %r<2>; add.s32 %r0, %r1; ret; }",
        ".visible .entry k() { .reg .b32 %r<99999999>; ret; }",
        ".visible .entry k() { mov.b32 ; }"}) {
    error.clear();
    std::unique_ptr<Module> module = Module::parse(text, error);
    EXPECT_EQ(module == nullptr, *text != 0) << text;
    EXPECT_EQ(error.find("line") != std::string::npos, *text != 0) << error;
  }
}
} // namespace
