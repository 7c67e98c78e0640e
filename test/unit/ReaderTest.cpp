//===- ReaderTest.cpp - the spec reader on good, bad and mangled text ---------------------------===//

#include "specs/reader/SpecReader.h"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

using namespace heddle;
namespace fs = std::filesystem;

namespace {

std::string contents(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}
std::vector<fs::path> specsIn(const std::string &folder) {
  std::vector<fs::path> paths;
  for (const auto &entry : fs::recursive_directory_iterator(std::string(HEDDLE_SOURCE) + folder))
    if (entry.path().extension() == ".json" && entry.path().filename() != "schema.json")
      paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}
std::optional<Spec> read(const std::string &text, Diagnostics &diagnostics,
                         const ReadOptions &options = {}) {
  return readSpec(text, "test.json", options, diagnostics);
}

/// A spec with the given attend body.
std::string attend(const std::string &body) {
  return R"({"heddle": 1, "name": "t", "dims": {"B": "any", "H": "any", "N": "any", "M": "any", "D": 8},
"params": {"W": 4, "cap": {"type": "f32", "default": 3.0}},
"tensors": {"q": {"dims": ["B", "H", "N", "D"], "type": "f32"}, "k": {"dims": ["B", "H", "M", "D"], "type": "f32"},
"v": {"dims": ["B", "H", "M", "D"], "type": "f16"}, "g": {"dims": ["H"], "type": "f32"}},
"steps": [{"attend": {"query": "q", "key": "k", "value": "v")" +
         body + R"(}, "as": {"out": "o", "lse": "l"}}], "results": {"o": "f32", "l": "f32"}})";
}
const AttendStep &attendOf(const Spec &spec) { return *spec.steps.front().getIf<AttendStep>(); }

TEST(Reader, takesEverySpecOfTheHouse) {
  std::vector<fs::path> paths = specsIn("/specs");
  ASSERT_GE(paths.size(), 230u);
  for (const fs::path &path : paths) {
    Diagnostics diagnostics;
    EXPECT_TRUE(read(contents(path), diagnostics)) << path << diagnostics.print();
  }
}
TEST(Reader, neverCrashesOnFaultySpecs) {
  std::vector<fs::path> paths = specsIn("/test/specs/bad");
  ASSERT_GE(paths.size(), 60u);
  for (const fs::path &path : paths) {
    Diagnostics diagnostics;
    std::optional<Spec> spec = read(contents(path), diagnostics);
    EXPECT_EQ(bool(spec), !diagnostics.hasErrors()) << path;
    for (const SpecDiagnostic &diagnostic : diagnostics.all())
      EXPECT_TRUE(diagnostic.where.isValid()) << path << ": " << diagnostic.message;
    diagnostics.print();
  }
}
/// Every prefix of a spec, and thousands of seeded changes of bytes: an error or a spec, never a crash.
TEST(Reader, survivesMangledText) {
  std::string text = contents(std::string(HEDDLE_SOURCE) + "/specs/softmax/softcap.json");
  for (size_t n = 0; n < text.size(); n += 7) {
    Diagnostics diagnostics;
    EXPECT_FALSE(read(text.substr(0, n), diagnostics));
    diagnostics.print();
  }
  std::mt19937 generator(1);
  const std::string bytes = "{}[]\",:0123456789.eE+-abcdhkqvNM()<>=!&|?\\/ \n\t\x80\xff";
  for (int round = 0; round < 3000; ++round) {
    std::string changed = text;
    for (int n = 0, count = 1 + int(generator() % 4); n < count; ++n) {
      size_t at = generator() % changed.size();
      char c = bytes[generator() % bytes.size()];
      switch (generator() % 3) {
      case 0:
        changed[at] = c;
        break;
      case 1:
        changed.insert(at, 1, c);
        break;
      default:
        changed.erase(at, 1 + generator() % 5);
      }
    }
    Diagnostics diagnostics;
    std::optional<Spec> spec = read(changed, diagnostics);
    EXPECT_EQ(bool(spec), !diagnostics.hasErrors());
    diagnostics.print();
  }
}

TEST(Reader, infersRowsKeysAndOffset) {
  Diagnostics diagnostics;
  std::optional<Spec> spec = read(attend(R"(, "mask": "causal")"), diagnostics);
  ASSERT_TRUE(spec) << diagnostics.print();
  const AttendStep &step = attendOf(*spec);
  ASSERT_EQ(step.rows.size(), 3u);
  EXPECT_EQ(step.rows[2].name, "q_idx");
  EXPECT_EQ(step.rows[2].extent.text, "N");
  EXPECT_EQ(step.sources[0].keys[0].extent.text, "M");
  EXPECT_EQ(toString(step.offset), "(M - N)");
  EXPECT_EQ(toString(step.sources[0].mask), "(kv_idx <= pos)");
  EXPECT_EQ(toString(step.sources[0].scale), "rsqrt(D)") << "the default is explicit";
}
TEST(Reader, expandsLetsAndWindow) {
  Diagnostics diagnostics;
  std::optional<Spec> spec =
      read(attend(R"-(, "let": {"far": "pos - kv_idx"}, "mask": "window(W, -1) && far < 3")-"),
           diagnostics);
  ASSERT_TRUE(spec) << diagnostics.print();
  EXPECT_EQ(toString(attendOf(*spec).sources[0].mask),
            "(((pos - kv_idx) <= 4) && ((pos - kv_idx) < 3))");
}
TEST(Reader, overridesSizesAndParams) {
  Diagnostics diagnostics;
  ReadOptions options;
  options.sizes["N"] = 16;
  options.params["W"] = "9";
  std::optional<Spec> spec = read(attend(R"-(, "mask": "window(W, 0)")-"), diagnostics, options);
  ASSERT_TRUE(spec) << diagnostics.print();
  EXPECT_EQ(spec->findDim("N")->size, 16);
  EXPECT_NE(toString(attendOf(*spec).sources[0].mask).find("9"), std::string::npos);
  options.sizes["D"] = 9; // 8 in the file
  Diagnostics other;
  EXPECT_FALSE(read(attend(""), other, options));
}
TEST(Reader, resolvesSizes) {
  Diagnostics diagnostics;
  std::optional<Spec> spec = read(attend(""), diagnostics);
  ASSERT_TRUE(spec);
  std::string fault;
  EXPECT_FALSE(spec->resolveSizes({{"B", 1}, {"H", 2}, {"N", 3}}, true, &fault));
  EXPECT_NE(fault.find("M"), std::string::npos) << fault;
  std::optional<ValueMap> sizes =
      spec->resolveSizes({{"B", 1}, {"H", 2}, {"N", 3}, {"M", 4}}, true, &fault);
  ASSERT_TRUE(sizes);
  EXPECT_EQ(sizes->at("M").i, 4);
  EXPECT_EQ(sizes->at("cap").f, 3.0);
}
TEST(Reader, keepsAtMostTwentyErrors) {
  std::string keys;
  for (int i = 0; i < 50; ++i)
    keys += ", \"x" + std::to_string(i) + "\": 1";
  Diagnostics diagnostics;
  EXPECT_FALSE(read(attend(keys), diagnostics));
  EXPECT_EQ(diagnostics.getErrorCount(), 50u);
  EXPECT_EQ(diagnostics.all().size(), 20u);
}

double value(const std::string &expression) {
  Diagnostics diagnostics;
  std::optional<Spec> spec = read(R"({"heddle": 1, "name": "t", "dims": {"N": 7, "M": 3},
"tensors": {"x": {"dims": ["N"], "type": "f32", "range": ["0", ")" +
                                      expression + R"("]}},
"steps": [{"compute": {"index": ["n < N"], "value": "x[n]"}, "as": "y"}], "results": {"y": "f32"}})",
                                  diagnostics);
  EXPECT_TRUE(spec) << expression << "\n" << diagnostics.print();
  ValueMap sizes{{"N", ExprValue::ofInt(7)}, {"M", ExprValue::ofInt(3)}};
  std::optional<ExprValue> result =
      spec ? evaluateConstant(*spec->findTensor("x")->range->second, sizes) : std::nullopt;
  return result ? result->asFloat() : -12345;
}
TEST(Expressions, mean) {
  EXPECT_EQ(value("N + M * 2"), 13);
  EXPECT_EQ(value("-N // 2"), -4) << "unary minus binds first, // is the floor";
  EXPECT_EQ(value("-N % 4"), 1);
  EXPECT_EQ(value("N // 0"), 0);
  EXPECT_EQ(value("N % 0"), 0);
  EXPECT_EQ(value("N / 2"), 3.5);
  EXPECT_EQ(value("N & 1 == 1 ? 5 : 6"), 5) << "bit operators bind tighter than comparisons";
  EXPECT_EQ(value("1 << 63 >> 63"), -1);
  EXPECT_EQ(value("1 << 64"), 0);
  EXPECT_EQ(value("floor(2.7) + ceil(2.1)"), 5);
  EXPECT_EQ(value("true ? 1 : false ? 2 : 3"), 1) << "?: is right-associative";
  EXPECT_EQ(value("max(N, M, 9) - min(N, M)"), 6);
  EXPECT_EQ(value("abs(M - N) + relu(M - N)"), 4);
  EXPECT_EQ(value("0x10 + .5 + 1e1"), 26.5);
}
} // namespace
