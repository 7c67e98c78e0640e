//===- MaskAnalysisTest.cpp - the tiles of a mask against its definition ----------------------===//

#include "ScalarEvaluator.h"
#include "dialect/AttnOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/TileCounts.h"
#include "gtest/gtest.h"
#include <chrono>
#include <random>

using namespace mlir;
using namespace heddle::attn;

namespace {

constexpr int64_t tileQ = 12, tileK = 8;

/// Classes of tiles: how many are visited without need, and masked without need.
struct Score {
  int64_t tiles = 0, visited = 0, masked = 0;
};

class MaskTiles : public ::testing::Test {
protected:
  MaskTiles() {
    context.loadDialect<AttnDialect, affine::AffineDialect, arith::ArithDialect, func::FuncDialect,
                        memref::MemRefDialect>();
  }

  /// A function with one visit. `body` computes %keep from %q, %k, %off, %w, %p : i32, %N, %M, %h :
  /// index and %W : memref<?xi32>; `outside` stands in front of the visit.
  OwningOpRef<ModuleOp> parse(const std::string &body, const std::string &outside) {
    std::string text = "func.func @f(%i: index, %N: index, %M: index, %off: i32, %w: i32, %p: i32, "
                       "%h: index, %W: memref<?xi32>) {\n" +
                       outside + "\n%t = attn.visit keep at(%i) of(%N, %M) tile [" +
                       std::to_string(tileQ) + ", " + std::to_string(tileK) +
                       "] {\n^bb0(%q: i32, %k: i32):\n" + body +
                       "\nattn.yield %keep : i1\n}\n%f, %a = attn.count %t\nreturn\n}\n";
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      ADD_FAILURE() << "does not parse:\n" << text;
    return module;
  }

  static VisitOp visitOf(ModuleOp module) {
    VisitOp found;
    module.walk([&](VisitOp visit) { found = visit; });
    return found;
  }

  /// Both modules hold the mask; `lowered` gets its intervals.
  void setUp(const std::string &body, const std::string &outside) {
    defined = parse(body, outside), lowered = parse(body, outside);
    ASSERT_TRUE(defined && lowered);
    PassManager pm(&context);
    pm.addNestedPass<func::FuncOp>(createLowerSparsity());
    ASSERT_TRUE(succeeded(pm.run(*lowered)));
  }

  ScalarEvaluator start(ModuleOp module, ArrayRef<int64_t> arguments) {
    auto function = *module.getOps<func::FuncOp>().begin();
    ScalarEvaluator evaluator;
    for (auto [argument, value] : llvm::zip(function.getArguments(), arguments))
      evaluator.values[argument] = value;
    evaluator.memory[function.getArgument(7)] = {3, 0, 9, 30};
    evaluator.run(function.front());
    return evaluator;
  }

  /// Compares every tile of every query tile with the definition.
  void check(int64_t n, int64_t m, ArrayRef<int64_t> symbols, Score &score) {
    int64_t all = llvm::divideCeil(m, tileK);
    for (int64_t i = 0; i * tileQ < n; ++i) {
      SmallVector<int64_t> arguments = {i, n, m};
      arguments.append(symbols.begin(), symbols.end());
      ScalarEvaluator ends = start(*lowered, arguments);
      std::vector<int> classes(all); // 0, 1 full, 2 boundary
      VisitOp visit = visitOf(*lowered);
      for (auto [number, list] :
           llvm::enumerate(SmallVector<OperandRange>{visit.getFull(), visit.getBoundary()})) {
        int64_t before = 0;
        for (size_t e = 0; e + 1 < list.size(); e += 2) {
          int64_t lo = ends.values.at(list[e]), hi = ends.values.at(list[e + 1]);
          ASSERT_LE(lo, hi);
          ASSERT_LE(before, lo) << "not ordered";
          ASSERT_LE(hi, all);
          before = hi;
          for (int64_t j = lo; j < hi; ++j) {
            ASSERT_EQ(classes[j], 0) << "tile " << j << " twice";
            classes[j] = 1 + int(number);
          }
        }
      }
      for (int64_t j = 0; j < all; ++j)
        compare(arguments, i, j, n, m, classes[j], score);
    }
  }

  void compare(ArrayRef<int64_t> arguments, int64_t i, int64_t j, int64_t n, int64_t m, int got,
               Score &score) {
    bool kept = false, dropped = false;
    VisitOp visit = visitOf(*defined);
    ScalarEvaluator pair = start(*defined, arguments);
    for (int64_t q = i * tileQ; q < std::min(n, (i + 1) * tileQ); ++q)
      for (int64_t k = j * tileK; k < (j + 1) * tileK; ++k) {
        pair.values[visit.getKeep().getArgument(0)] = q;
        pair.values[visit.getKeep().getArgument(1)] = k;
        pair.run(visit.getKeep().front());
        Value keep = visit.getKeep().front().getTerminator()->getOperand(0);
        (k < m && pair.values.at(keep) ? kept : dropped) = true;
      }
    ++score.tiles;
    ASSERT_FALSE(kept && !got) << "query tile " << i << " misses key tile " << j;
    ASSERT_FALSE(dropped && got == 1) << "key tile " << j << " of query tile " << i << " not full";
    score.visited += !kept && got;
    score.masked += !dropped && got == 2;
  }

  /// All shapes and symbols (every `step`-th): the alignment, a window, a prefix, a head.
  Score checkAll(const std::string &body, const std::string &outside = "", unsigned step = 1) {
    setUp(body, outside);
    if (HasFatalFailure())
      return {};
    const int64_t shapes[][2] = {{0, 5},   {5, 0},   {1, 1},   {1, 40}, {13, 9},
                                 {24, 16}, {37, 50}, {50, 37}, {31, 64}};
    const int64_t symbols[][4] = {{0, 0, 0, 0}, {-7, 5, 9, 1}, {19, 17, 30, 2}, {-40, -1, 100, 3}};
    Score score;
    unsigned number = 0;
    for (auto [n, m] : shapes)
      for (const auto &s : symbols) {
        if (++number % step)
          continue;
        check(n, m, s, score);
        if (HasFatalFailure()) {
          ADD_FAILURE() << "N = " << n << ", M = " << m << ", off = " << s[0] << ", w = " << s[1]
                        << ", p = " << s[2] << ", h = " << s[3] << " of\n"
                        << body;
          return score;
        }
      }
    return score;
  }

  /// Counts at given sizes and window; %off is m - n, %p and %W are not known.
  TileCounts count(const std::string &body, TileSizes sizes, int64_t n, int64_t m, int64_t w) {
    defined = parse(body, "");
    VisitOp visit = visitOf(*defined);
    MaskAnalysis mask(visit.getKeep(), visit.getKeep().getArguments());
    auto valueOf = [&](Value value) -> std::optional<int64_t> {
      const int64_t values[] = {0, n, m, m - n, w};
      auto argument = dyn_cast<BlockArgument>(value);
      if (argument && argument.getArgNumber() < 5)
        return values[argument.getArgNumber()];
      return std::nullopt;
    };
    return countTiles(mask, visit.getOf()[0], visit.getOf()[1], sizes, valueOf);
  }

  void exact(const std::string &body, const std::string &outside = "") {
    Score score = checkAll(body, outside);
    EXPECT_GT(score.tiles, 100);
    EXPECT_EQ(score.visited, 0) << body;
    EXPECT_EQ(score.masked, 0) << body;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> defined, lowered;
};

const std::string bottomRight = "%diff = arith.subi %M, %N : index\n"
                                "%align = arith.index_cast %diff : index to i32\n";
const std::string position = "%pos = arith.addi %q, %off : i32\n%d = arith.subi %pos, %k : i32\n"
                             "%causal = arith.cmpi sle, %k, %pos : i32\n";

TEST_F(MaskTiles, Full) { exact("%keep = arith.constant true"); }
TEST_F(MaskTiles, Nothing) { exact("%keep = arith.constant false"); }
TEST_F(MaskTiles, CausalTopLeft) { exact("%keep = arith.cmpi sle, %k, %q : i32"); }
TEST_F(MaskTiles, CausalBottomRight) {
  exact("%pos = arith.addi %q, %align : i32\n%keep = arith.cmpi sle, %k, %pos : i32", bottomRight);
}
TEST_F(MaskTiles, CausalRunTimeOffset) {
  exact(position + "%c = arith.constant true\n%keep = arith.andi %causal, %c : i1");
}
TEST_F(MaskTiles, WindowBothSides) {
  exact(position + "%x = arith.cmpi sle, %d, %w : i32\n%m = arith.subi %k, %pos : i32\n"
                   "%y = arith.cmpi sle, %m, %p : i32\n%keep = arith.andi %x, %y : i1");
}
TEST_F(MaskTiles, WindowOpenWhenNegative) {
  exact(position + "%c0 = arith.constant 0 : i32\n%open = arith.cmpi slt, %w, %c0 : i32\n"
                   "%near = arith.cmpi sle, %d, %w : i32\n%x = arith.ori %open, %near : i1\n"
                   "%keep = arith.andi %x, %causal : i1");
}
TEST_F(MaskTiles, WindowAndPrefix) {
  exact(position + "%near = arith.cmpi sle, %d, %w : i32\n%pre = arith.cmpi slt, %k, %p : i32\n"
                   "%x = arith.ori %near, %pre : i1\n%keep = arith.andi %x, %causal : i1");
}
TEST_F(MaskTiles, WindowOfAHead) {
  exact(position +
        "%wh = memref.load %W[%h] : memref<?xi32>\n%near = arith.cmpi sle, %d, %wh : i32\n"
        "%keep = arith.andi %near, %causal : i1");
}
TEST_F(MaskTiles, LengthOfABatch) {
  exact("%len = memref.load %W[%h] : memref<?xi32>\n%keep = arith.cmpi slt, %k, %len : i32");
}
TEST_F(MaskTiles, SwitchedOffHead) {
  exact("%len = memref.load %W[%h] : memref<?xi32>\n%on = arith.trunci %len : i32 to i1\n"
        "%z = arith.constant 0 : i32\n%x = arith.cmpi ne, %len, %z : i32\n"
        "%less = arith.cmpi sle, %k, %q : i32\n%keep = arith.andi %less, %x : i1");
}
TEST_F(MaskTiles, NotTheDiagonal) { exact("%keep = arith.cmpi ne, %k, %q : i32"); }
TEST_F(MaskTiles, AbsoluteDistance) {
  exact(position + "%z = arith.constant 0 : i32\n%neg = arith.subi %z, %d : i32\n"
                   "%abs = arith.maxsi %d, %neg : i32\n%keep = arith.cmpi sle, %abs, %w : i32");
}

/// Ranges are found as if // were /: never wrong, and the tiles a bound excludes are not visited.
TEST_F(MaskTiles, EveryFourthBlock) {
  Score score = checkAll(position + "%c5 = arith.constant 5 : i32\n%c4 = arith.constant 4 : i32\n"
                                    "%b = arith.floordivsi %k, %c5 : i32\n"
                                    "%r = arith.remsi %b, %c4 : i32\n"
                                    "%z = arith.constant 0 : i32\n"
                                    "%x = arith.cmpi eq, %r, %z : i32\n"
                                    "%keep = arith.andi %x, %causal : i1");
  EXPECT_LT(score.visited, score.tiles / 2);
}
TEST_F(MaskTiles, SameBlock) {
  Score score = checkAll("%c = arith.constant 10 : i32\n%a = arith.floordivsi %q, %c : i32\n"
                         "%b = arith.floordivsi %k, %c : i32\n%keep = arith.cmpi eq, %a, %b : i32");
  EXPECT_LT(score.visited, score.tiles / 6);
}
TEST_F(MaskTiles, WindowInTwoDimensions) {
  std::string body = "%c = arith.constant 7 : i32\n%r = arith.constant 2 : i32\n";
  for (std::string op : {"floordivsi", "remsi"})
    body += "%a" + op + " = arith." + op + " %q, %c : i32\n%b" + op + " = arith." + op +
            " %k, %c : i32\n%d" + op + " = arith.subi %a" + op + ", %b" + op + " : i32\n%e" + op +
            " = arith.subi %b" + op + ", %a" + op + " : i32\n%f" + op + " = arith.maxsi %d" + op +
            ", %e" + op + " : i32\n%n" + op + " = arith.cmpi sle, %f" + op + ", %r : i32\n";
  Score score = checkAll(body + "%keep = arith.andi %nfloordivsi, %nremsi : i1");
  EXPECT_LT(score.visited, score.tiles / 6);
}
TEST_F(MaskTiles, DocumentsAreBoundary) {
  Score score = checkAll(position + "%qi = arith.index_cast %q : i32 to index\n"
                                    "%ki = arith.index_cast %k : i32 to index\n"
                                    "%a = memref.load %W[%qi] : memref<?xi32>\n"
                                    "%b = memref.load %W[%ki] : memref<?xi32>\n"
                                    "%same = arith.cmpi eq, %a, %b : i32\n"
                                    "%keep = arith.andi %same, %causal : i1");
  EXPECT_GT(score.masked + score.visited, 0);
}

const std::string causalWindow =
    position + "%near = arith.cmpi sle, %d, %w : i32\n%keep = arith.andi %near, %causal : i1";

/// Tiles and pairs of causal && window, counted here pair by pair.
TEST_F(MaskTiles, CountsAgreeWithTheDefinition) {
  const int64_t n = 130, m = 150, w = 30;
  TileCounts counts = count(causalWindow, {12, 8}, n, m, w), truth;
  for (int64_t i = 0; i < n; i += 12)
    for (int64_t j = 0; j < m; j += 8) {
      int64_t kept = 0, all = 0;
      for (int64_t q = i; q < std::min(n, i + 12); ++q)
        for (int64_t k = j; k < j + 8; ++k, ++all)
          kept += k < m && k <= q + m - n && q + m - n - k <= w;
      ++(kept == 0 ? truth.empty : kept == all ? truth.full : truth.boundary);
      truth.keptPairs += kept;
    }
  EXPECT_TRUE(counts.exact);
  EXPECT_EQ(counts.full, truth.full);
  EXPECT_EQ(counts.boundary, truth.boundary);
  EXPECT_EQ(counts.empty, truth.empty);
  EXPECT_EQ(counts.keptPairs, truth.keptPairs);
}

/// Alternatives that overlap count once: a window of one key, or the first three keys.
TEST_F(MaskTiles, CountsAUnion) {
  const std::string body = position + "%c3 = arith.constant 3 : i32\n"
                                      "%near = arith.cmpi sle, %d, %w : i32\n"
                                      "%pre = arith.cmpi slt, %k, %c3 : i32\n"
                                      "%x = arith.ori %near, %pre : i1\n"
                                      "%keep = arith.andi %x, %causal : i1";
  EXPECT_EQ(count(body, {12, 8}, 20, 20, 0).keptPairs, 1 + 2 + 3 + 17 * 4);
}

/// 10^12 pairs, by rows. The time is printed and not judged: machines differ.
TEST_F(MaskTiles, CountsAMillionByAMillion) {
  const int64_t n = 1 << 20, w = 4095;
  auto start = std::chrono::steady_clock::now();
  TileCounts counts = count(causalWindow, {192, 128}, n, n, w);
  std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
  printf("%.1f ms\n", time.count());
  EXPECT_TRUE(counts.exact);
  EXPECT_EQ(counts.keptPairs, n * (w + 1) - w * (w + 1) / 2);
  EXPECT_EQ(counts.full + counts.boundary + counts.empty, ((n + 191) / 192) * (n / 128));
}

/// A symbol without a value is in doubt: boundary tiles, and an upper limit of pairs.
TEST_F(MaskTiles, CountsWithAnUnknownSymbol) {
  TileCounts counts = count("%keep = arith.cmpi slt, %k, %p : i32", {12, 8}, 24, 16, 0);
  EXPECT_FALSE(counts.exact);
  EXPECT_EQ(counts.boundary, 4);
  EXPECT_EQ(counts.keptPairs, 24 * 16);
}

/// Random masks over everything that is read.
class RandomMask {
public:
  explicit RandomMask(unsigned seed) : random(seed) {}

  std::string make() {
    condition(2 + pick(2));
    return text + "%keep = arith.andi " + last + ", " + last + " : i1";
  }

private:
  unsigned pick(unsigned below) { return random() % below; }
  std::string define(const std::string &value) {
    last = "%v" + std::to_string(count++);
    text += last + " = " + value + "\n";
    return last;
  }
  std::string integer(unsigned depth) {
    static const char *const leaves[] = {"%q", "%k", "%q", "%k", "%off", "%w", "%p"};
    if (depth == 0 || pick(3) == 0)
      return pick(4) ? leaves[pick(7)]
                     : define("arith.constant " + std::to_string(int(pick(30)) - 10) + " : i32");
    std::string a = integer(depth - 1);
    static const char *const pairs[] = {"addi", "subi", "subi", "minsi", "maxsi"};
    static const char *const divisions[] = {"floordivsi", "remsi", "divsi", "muli"};
    if (pick(4) == 0) {
      std::string c = define("arith.constant " + std::to_string(2 + pick(9)) + " : i32");
      return define(std::string("arith.") + divisions[pick(4)] + " " + a + ", " + c + " : i32");
    }
    std::string b = integer(depth - 1);
    if (pick(6) == 0) {
      std::string c = condition(0);
      return define("arith.select " + c + ", " + a + ", " + b + " : i32");
    }
    return define(std::string("arith.") + pairs[pick(5)] + " " + a + ", " + b + " : i32");
  }
  std::string condition(unsigned depth) {
    static const char *const predicates[] = {"sle", "slt", "sge", "sgt", "eq", "ne", "ult"};
    static const char *const joins[] = {"andi", "ori", "xori"};
    if (depth == 0) {
      std::string a = integer(2), b = integer(2);
      return define(std::string("arith.cmpi ") + predicates[pick(7)] + ", " + a + ", " + b +
                    " : i32");
    }
    std::string a = condition(depth - 1), b = condition(depth - 1);
    return define(std::string("arith.") + joins[pick(5) % 3] + " " + a + ", " + b + " : i1");
  }

  std::mt19937 random;
  std::string text, last;
  unsigned count = 0;
};

TEST_F(MaskTiles, RandomMasksAreNeverWrong) {
  Score total;
  for (unsigned seed = 0; seed < 200; ++seed) {
    Score score = checkAll(RandomMask(seed).make(), "", 3);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    total.tiles += score.tiles, total.visited += score.visited, total.masked += score.masked;
  }
  // Closed forms would be worth little if most tiles were boundary ones without need.
  EXPECT_LT(total.visited, total.tiles / 4);
  EXPECT_LT(total.masked, total.tiles / 4);
}

} // namespace
