//===- RuntimeTest.cpp - the C runtime: checks of a call, pool, slots ---------------------------===//

#include "runtime/include/heddle_kernel.h"
#include <atomic>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <thread>
#include <vector>

namespace {

// A kernel made by hand: y[N, D] = x[N, D] * factor, D = 4; sizes "2 * N" in a second input.
std::atomic<int64_t> itemsRun{0};
void grid(const int64_t *slots, int64_t sizes[3]) { sizes[0] = slots[13], sizes[1] = sizes[2] = 1; }
void item(const int64_t *slots, int64_t n, char *scratch, char *) {
  float factor;
  uint32_t bits = uint32_t(slots[14]);
  memcpy(&factor, &bits, sizeof factor);
  memset(scratch, 1, 64);
  auto *x = reinterpret_cast<const float *>(slots[0]) + n * slots[1];
  auto *y = reinterpret_cast<float *>(slots[8]) + n * slots[9];
  float tiny = std::numeric_limits<float>::min();
  volatile float half = tiny * 0.5f; // 0 where denormals are flushed
  for (int d = 0; d < 4; ++d)
    y[d] = x[d] * factor + half;
  ++itemsRun;
}
int64_t workspace(const int64_t *slots) { return slots[13] * 8; }
// values: N, R (N + 1), factor, 2 * N, requirement N != 13
void derive(int64_t *values) {
  values[1] = values[0] + 1;
  values[3] = 2 * values[0];
  values[4] = values[0] != 13;
}

const heddle_kernel_dim dims[] = {{"N", HEDDLE_DIM_TENSOR, -1, 0, 0, 13},
                                  {"R", HEDDLE_DIM_DERIVED, -1, 0, 0, 15}};
const heddle_kernel_axis rows[] = {{"N", -1, 0}, {"4", 4, 0}}, twice[] = {{"2 * N", -1, 3}};
const heddle_kernel_tensor tensors[] = {{"x", 0, HEDDLE_FLOAT, 32, 2, rows, 0},
                                        {"z", 0, HEDDLE_INT, 32, 1, twice, 5},
                                        {"y", 1, HEDDLE_FLOAT, 32, 2, rows, 8}};
const heddle_kernel_param params[] = {{"factor", 1, 14}};
const heddle_kernel_requirement requirements[] = {{"N != 13", 4}};
const heddle_kernel_stage stages[] = {{grid, item, nullptr, 0, 0}};
const heddle_kernel_variant variants[] = {
    {"never", HEDDLE_CPU, 9, 0, 0, -1, 64, workspace, 1, stages, nullptr},
    {"few", HEDDLE_CPU, 1, 0, 2, 0, 64, workspace, 1, stages, nullptr},
    {"many", HEDDLE_CPU, 1, 0, 0, -1, 64, workspace, 1, stages, nullptr}};
const heddle_kernel kernel = {
    HEDDLE_KERNEL_ABI, "twist", 16, 5,       2, dims, 3, tensors, 0, nullptr, 1, params, 1,
    requirements,      derive,  3,  variants};

struct Args {
  uint64_t struct_size;
  const heddle_tensor *x, *z, *y;
  double factor;
  const heddle_exec *exec;
};

class Call : public ::testing::Test {
protected:
  static constexpr int64_t n = 5;
  float x[n * 4], y[n * 4];
  int32_t z[2 * n] = {};
  int64_t shapeX[2] = {n, 4}, shapeZ[1] = {2 * n}, shapeY[2] = {n, 4};
  heddle_tensor tx{x, HEDDLE_CPU, 0, 2, HEDDLE_FLOAT, 32, 1, shapeX, nullptr, 0};
  heddle_tensor tz{z, HEDDLE_CPU, 0, 1, HEDDLE_INT, 32, 1, shapeZ, nullptr, 0};
  heddle_tensor ty{y, HEDDLE_CPU, 0, 2, HEDDLE_FLOAT, 32, 1, shapeY, nullptr, 0};
  std::vector<char> space = std::vector<char>(4096);
  heddle_exec exec{};
  Args args{sizeof(Args), &tx, &tz, &ty, 3, &exec};

  void SetUp() override {
    for (int i = 0; i < n * 4; ++i)
      x[i] = float(i), y[i] = -7;
    exec.struct_size = sizeof exec;
    exec.workspace = space.data();
    exec.workspace_bytes = int64_t(space.size());
  }
  /// The call is refused with this status and words, and nothing is written.
  void refused(int status, const std::string &words) {
    EXPECT_EQ(heddle_kernel_run(&kernel, &args), status) << heddle_last_error();
    EXPECT_NE(std::string(heddle_last_error()).find(words), std::string::npos)
        << heddle_last_error();
    EXPECT_EQ(heddle_kernel_check(&kernel, &args), status);
    for (float value : y)
      EXPECT_EQ(value, -7);
  }
};

TEST_F(Call, runsAndFlushesDenormalsInsideOnly) {
  volatile float tiny = std::numeric_limits<float>::min(), half = 0.5f;
  ASSERT_EQ(heddle_kernel_run(&kernel, &args), HEDDLE_OK) << heddle_last_error();
  EXPECT_STREQ(heddle_last_error(), "");
  for (int i = 0; i < n * 4; ++i)
    EXPECT_EQ(y[i], 3 * float(i));
  EXPECT_GT(tiny * half, 0.0f); // the caller's mode is back
}

TEST_F(Call, workspaceHoldsScratchOfEveryThread) {
  int64_t one = 0, four = 0;
  ASSERT_EQ(heddle_kernel_workspace(&kernel, &args, &one), HEDDLE_OK);
  exec.threads = 4;
  ASSERT_EQ(heddle_kernel_workspace(&kernel, &args, &four), HEDDLE_OK);
  EXPECT_EQ(four - one, 3 * 64);
  EXPECT_GE(one, n * 8 + 64);
}

TEST_F(Call, derivedDimsReachTheirSlots) {
  int64_t slots[HEDDLE_MAX_SLOTS];
  ASSERT_NE(heddle_kernel_choose(&kernel, &args, slots, nullptr), nullptr) << heddle_last_error();
  EXPECT_EQ(slots[3], n); // the sizes of x
  EXPECT_EQ(slots[4], 4);
  EXPECT_EQ(slots[13], n);
  EXPECT_EQ(slots[15], n + 1);
}

TEST_F(Call, choosesTheFirstVariantThatFits) {
  EXPECT_STREQ(heddle_kernel_choose(&kernel, &args, nullptr, nullptr)->name, "many");
  shapeX[0] = shapeY[0] = 2, shapeZ[0] = 4;
  EXPECT_STREQ(heddle_kernel_choose(&kernel, &args, nullptr, nullptr)->name, "few");
  shapeX[0] = shapeY[0] = 3, shapeZ[0] = 6; // one more than its last size
  EXPECT_STREQ(heddle_kernel_choose(&kernel, &args, nullptr, nullptr)->name, "many");
}

/// Steps hand on what lives in the workspace: apart while both live, in the same place afterwards.
TEST_F(Call, temporariesShareMemoryWhenTheyMay) {
  const heddle_kernel_axis long_[] = {{"N", -1, 0}};
  const heddle_kernel_temporary temporaries[] = {{{"a", 1, HEDDLE_FLOAT, 32, 1, long_, 16}, 0, 1},
                                                 {{"b", 1, HEDDLE_FLOAT, 32, 1, long_, 19}, 1, 2},
                                                 {{"c", 1, HEDDLE_FLOAT, 32, 1, long_, 22}, 2, 3}};
  heddle_kernel steps = kernel;
  steps.num_slots = 25;
  steps.num_temporaries = 3;
  steps.temporaries = temporaries;
  int64_t before = 0, with = 0, slots[HEDDLE_MAX_SLOTS];
  ASSERT_EQ(heddle_kernel_workspace(&kernel, &args, &before), HEDDLE_OK);
  ASSERT_EQ(heddle_kernel_workspace(&steps, &args, &with), HEDDLE_OK);
  int64_t line = (n * 4 + 63) / 64 * 64;
  EXPECT_GE(with - before, 2 * line); // a and b live together, a and c do not
  EXPECT_LT(with - before, 3 * line + 64);
  char *workspace = nullptr;
  ASSERT_NE(heddle_kernel_choose(&steps, &args, slots, &workspace), nullptr);
  EXPECT_EQ(slots[16], slots[22]);
  EXPECT_EQ(slots[19], slots[16] + line);
  EXPECT_EQ(slots[17], 1); // strides, then sizes
  EXPECT_EQ(slots[18], n);
  EXPECT_EQ(workspace, reinterpret_cast<char *>(slots[16]) + 2 * line);
}

TEST_F(Call, emptyTensorsNeedNoData) {
  shapeX[0] = shapeY[0] = shapeZ[0] = 0;
  tx.data = ty.data = tz.data = nullptr;
  EXPECT_EQ(heddle_kernel_run(&kernel, &args), HEDDLE_OK) << heddle_last_error();
}

TEST_F(Call, stridedViews) {
  std::vector<float> wide(n * 10, 2);
  int64_t strides[] = {10, 1};
  tx.data = wide.data(), tx.strides = strides;
  tx.byte_offset = 8;
  ASSERT_EQ(heddle_kernel_run(&kernel, &args), HEDDLE_OK) << heddle_last_error();
  EXPECT_EQ(y[n * 4 - 1], 6);
  int64_t broadcast[] = {0, 1};
  tx.strides = broadcast;
  EXPECT_EQ(heddle_kernel_run(&kernel, &args), HEDDLE_OK);
}

TEST_F(Call, badArgs) {
  EXPECT_EQ(heddle_kernel_run(&kernel, nullptr), HEDDLE_BAD_ARGS);
  args.struct_size = 8;
  refused(HEDDLE_BAD_ARGS, "struct_size is 8, expected 48");
  args.struct_size = sizeof args;
  exec.struct_size = 1000;
  refused(HEDDLE_BAD_ARGS, "exec->struct_size is 1000");
}
TEST_F(Call, nullTensor) {
  args.x = nullptr;
  refused(HEDDLE_NULL_TENSOR, "tensor 'x' is null");
  args.x = &tx;
  tx.data = nullptr;
  refused(HEDDLE_NULL_TENSOR, "data of tensor 'x'");
}
TEST_F(Call, badRank) {
  tx.ndim = 3;
  refused(HEDDLE_BAD_RANK, "tensor 'x' has 3 axes, the spec says 2");
}
TEST_F(Call, badType) {
  tx.type_bits = 16;
  refused(HEDDLE_BAD_TYPE, "tensor 'x' is f16");
}
TEST_F(Call, badShape) {
  shapeX[1] = 5;
  refused(HEDDLE_BAD_SHAPE, "axis 1 (4) of tensor 'x' has size 5, expected 4");
  shapeX[1] = 4;
  shapeZ[0] = 3;
  refused(HEDDLE_BAD_SHAPE, "axis 0 (2 * N) of tensor 'z' has size 3, expected 10");
  shapeZ[0] = -1;
  refused(HEDDLE_BAD_SHAPE, "size -1");
}
TEST_F(Call, badStride) {
  int64_t strides[] = {4, 2}, overlapping[] = {3, 1};
  tx.strides = strides;
  refused(HEDDLE_BAD_STRIDE, "innermost axis (4) of tensor 'x' has stride 2");
  tx.strides = nullptr;
  ty.strides = overlapping;
  refused(HEDDLE_BAD_STRIDE, "result 'y' overlaps itself");
}
TEST_F(Call, misaligned) {
  tx.byte_offset = 2;
  refused(HEDDLE_MISALIGNED, "tensor 'x' is not aligned to 4 bytes");
}
TEST_F(Call, overlap) {
  tx.data = y + 4;
  shapeX[0] = n;
  refused(HEDDLE_OVERLAP, "result 'y' shares memory with tensor 'x'");
}
TEST_F(Call, workspaceTooSmall) {
  exec.workspace_bytes = 10;
  refused(HEDDLE_WORKSPACE_TOO_SMALL, "needs a workspace of");
  exec.workspace = nullptr;
  refused(HEDDLE_WORKSPACE_TOO_SMALL, "got 0");
}
TEST_F(Call, tooLarge) {
  shapeX[0] = int64_t(1) << 31;
  refused(HEDDLE_TOO_LARGE, "over 2^31 - 1");
  shapeX[0] = n;
  int64_t strides[] = {int64_t(1) << 62, 1};
  tx.strides = strides;
  refused(HEDDLE_TOO_LARGE, "tensor 'x' reaches past 2^63");
}
TEST_F(Call, requirement) {
  std::vector<float> more(13 * 4), out(13 * 4, -7);
  std::vector<int32_t> zs(26);
  tx.data = more.data(), ty.data = out.data(), tz.data = zs.data();
  shapeX[0] = shapeY[0] = 13, shapeZ[0] = 26;
  refused(HEDDLE_REQUIREMENT, "'N != 13'");
}
TEST_F(Call, badDevice) {
  tx.device_type = 7;
  refused(HEDDLE_BAD_DEVICE, "device of type 7");
  tx.device_type = HEDDLE_CUDA;
  refused(HEDDLE_BAD_DEVICE, "different devices");
  ty.device_type = tz.device_type = HEDDLE_CUDA;
  refused(HEDDLE_BAD_DEVICE, "exec->device");
}
TEST_F(Call, threadsNeedAHook) {
  exec.threads = 2;
  refused(HEDDLE_BAD_ARGS, "parallel_for");
  exec.threads = -1;
  refused(HEDDLE_BAD_ARGS, "exec->threads is -1");
}
TEST_F(Call, unsupportedCpu) {
  heddle_kernel newer = kernel;
  newer.num_variants = 1;
  EXPECT_EQ(heddle_kernel_run(&newer, &args), HEDDLE_UNSUPPORTED_CPU);
  EXPECT_NE(std::string(heddle_last_error()).find("unsupported_cpu"), std::string::npos);
}
TEST_F(Call, noDriver) {
  setenv("HEDDLE_LIBCUDA", "/nowhere/libcuda.so", 1);
  heddle_device *device = nullptr;
  EXPECT_EQ(heddle_device_open(0, &device), HEDDLE_NO_DRIVER);
  EXPECT_EQ(device, nullptr);
  EXPECT_NE(std::string(heddle_last_error()).find("no GPU driver"), std::string::npos);
  unsetenv("HEDDLE_LIBCUDA");
}

TEST_F(Call, everyThreadCountGivesTheSame) {
  for (int threads : {1, 2, 3, 8}) {
    heddle_pool *pool = heddle_pool_create(threads);
    ASSERT_NE(pool, nullptr);
    exec.threads = threads, exec.parallel_for = heddle_pool_run, exec.context = pool;
    itemsRun = 0;
    std::fill(y, y + n * 4, -7.0f);
    ASSERT_EQ(heddle_kernel_run(&kernel, &args), HEDDLE_OK) << heddle_last_error();
    EXPECT_EQ(itemsRun, n);
    for (int i = 0; i < n * 4; ++i)
      EXPECT_EQ(y[i], 3 * float(i));
    heddle_pool_destroy(pool);
  }
}

TEST(Pool, runsEachNumberOnceWhateverItsSize) {
  for (int size : {1, 2, 5}) {
    heddle_pool *pool = heddle_pool_create(size);
    for (int round = 0; round < 200; ++round)
      for (int threads : {1, 2, 7}) {
        std::vector<std::atomic<int>> seen(threads);
        heddle_pool_run(
            pool, threads,
            [](void *at, int32_t t) { ++(*static_cast<std::vector<std::atomic<int>> *>(at))[t]; },
            &seen);
        for (auto &count : seen)
          EXPECT_EQ(count, 1);
      }
    heddle_pool_destroy(pool);
  }
}
TEST(Pool, refusesNonsense) {
  EXPECT_EQ(heddle_pool_create(0), nullptr);
  EXPECT_EQ(heddle_pool_create(1 << 20), nullptr);
}

#if defined(__x86_64__)
TEST(CpuLevel, isWhatTheCompilersLibraryFinds) {
  int level = __builtin_cpu_supports("x86-64-v4")   ? 4
              : __builtin_cpu_supports("x86-64-v3") ? 3
              : __builtin_cpu_supports("x86-64-v2") ? 2
                                                    : 1;
  for (int call = 0; call < 2; ++call) // the second is answered from memory
    EXPECT_EQ(heddle_cpu_level(), level);
}
#endif

TEST(Error, isOfItsThread) {
  heddle_kernel_run(&kernel, nullptr);
  std::string mine = heddle_last_error(), other = "x";
  std::thread([&] { other = heddle_last_error(); }).join();
  EXPECT_EQ(mine, "args is null");
  EXPECT_EQ(other, "");
}
TEST(Error, everyStatusHasAName) {
  for (int status = 0; status <= HEDDLE_OUT_OF_MEMORY; ++status)
    EXPECT_STRNE(heddle_status_name(status), "unknown");
  EXPECT_STREQ(heddle_status_name(99), "unknown");
  EXPECT_STREQ(heddle_status_name(-1), "unknown");
}
} // namespace
