// Convolutions on integers where the cuts of window lanes are: spans, planes, blocks of pixels, bands, chunks.
#include "dynamic_case.h"

using namespace onnxdc;

namespace {

// A two-dimensional one that pads as much as its kernel needs.
ConvolutionCase sized(int64_t inputs, int64_t outputs, const Spatial& in_size, const Spatial& kernel, double density) {
    ConvolutionCase c;
    c.inputs = inputs;
    c.outputs = outputs;
    c.in_size = in_size;
    c.kernel = kernel;
    for (size_t d = 0; d < 3; ++d) c.pads[d] = c.end_pads[d] = kernel[d] / 2;
    c.rank = in_size[0] > 1 ? 3 : 2;
    c.weight.density = density;
    c.workers = {3};
    return c;
}

// Blocks are 16 pixels of a row at most, or two rows of 8; the last row of an odd number is alone.
void test_widths() {
    for (int64_t width = 1; width <= 35; ++width) {
        for (const int64_t height : {1, 2, 3, 9}) {
            ConvolutionCase c = sized(20, 18, {1, height, width}, {1, 3, 3}, 0.3);
            c.batch = 2;
            CHECK(check_dynamic(c, static_cast<uint32_t>(width * height)));
        }
    }
    CHECK(check_dynamic(sized(3, 5, {1, 2, 700}, {1, 1, 9}, 0.5), 1));
    CHECK(check_dynamic(sized(3, 5, {1, 700, 1}, {1, 9, 1}, 0.5), 2));
}

// A plane without gaps is one row; along an axis where the kernel is 1 only what the stride meets is there.
void test_kernels_of_one() {
    for (const int64_t stride : {1, 2, 3}) {
        for (const int64_t pad : {-2, 0, 1}) {
            for (const Spatial& kernel : {Spatial{1, 1, 1}, Spatial{1, 1, 3}, Spatial{1, 3, 1}, Spatial{3, 1, 1}}) {
                ConvolutionCase c = sized(35, 20, {5, 7, 9}, kernel, 0.2);
                c.pads = c.end_pads = {pad, pad, pad};
                c.params.strides = {stride, 1, stride};
                CHECK(check_dynamic(c, static_cast<uint32_t>(10 * stride + pad)));
                c.params.strides = {1, stride, 1};
                CHECK(check_dynamic(c, static_cast<uint32_t>(10 * stride + pad)));
            }
        }
    }
}

// Windows of 64 bytes within spans of any length, and from tap to tap of a row of the kernel.
void test_channels() {
    for (const int64_t channels : {1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100}) {
        for (const double density : {0.1, 1.0}) {
            ConvolutionCase c = sized(2 * channels, 6, {1, 5, 6}, {1, 3, 2}, density);
            c.params.groups = 2;
            CHECK(check_dynamic(c, static_cast<uint32_t>(channels)));
            c.params.dilations = {1, 2, 3};  // each tap is a span
            CHECK(check_dynamic(c, static_cast<uint32_t>(channels)));
        }
    }
}

// Padding that is far larger than the image is not written out.
void test_windows_that_are_gathered() {
    ConvolutionCase c = sized(40, 70, {1, 8, 9}, {1, 3, 3}, 0.3);
    c.batch = 2;
    c.params.groups = 2;
    c.params.dilations = {1, 40, 30};
    c.pads = c.end_pads = {0, 40, 30};
    CHECK(check_dynamic(c, 1));
    c.params.strides = {1, 2, 3};
    CHECK(check_dynamic(c, 2));
    c.special = 1;
    CHECK(check_dynamic(c, 3));
    // Likewise where there is no image.
    c = sized(5, 20, {1, 0, 4}, {1, 2, 2}, 0.5);
    c.pads = c.end_pads = {0, 2, 1};
    CHECK(check_dynamic(c, 4));
}

// Outputs are sorted within bands of 64; of large layers all pixels meet some bands before the next ones.
void test_bands() {
    for (const int64_t outputs : {1, 15, 16, 17, 63, 64, 65, 130}) {
        ConvolutionCase c = sized(24, 2 * outputs, {1, 9, 9}, {1, 3, 3}, 0.2);
        c.params.groups = 2;
        c.weight.uneven = true;
        CHECK(check_dynamic(c, static_cast<uint32_t>(outputs)));
    }
    ConvolutionCase c = sized(260, 200, {1, 4, 5}, {1, 3, 3}, 0.9);
    c.batch = 2;
    c.workers = {1, 2, 5, 40};
    CHECK(check_dynamic(c, 1));
}

// Each image has a range of its own, and those that have none do not disturb the others.
void test_images() {
    ConvolutionCase c = sized(17, 33, {1, 5, 5}, {1, 3, 3}, 0.4);
    c.batch = 90;
    c.special = 3;
    CHECK(check_dynamic(c, 1));
    c.has_bias = false;
    CHECK(check_dynamic(c, 2));
}

// Where planes are small, blocks have pixels of several images: of up to sixteen, or rows of two.
void test_small_planes() {
    for (const int64_t height : {1, 2, 3}) {
        for (const int64_t width : {1, 2, 3, 4, 7}) {
            for (const Spatial& kernel : {Spatial{1, 1, 1}, Spatial{1, height, width}, Spatial{1, 3, 3}}) {
                ConvolutionCase c = sized(18, 70, {1, height, width}, kernel, 0.4);
                c.batch = 37;
                c.params.groups = 2;
                c.special = 3;
                CHECK(check_dynamic(c, static_cast<uint32_t>(height * width)));
                c.pads = c.end_pads = {0, 0, 0};
                if (kernel[1] <= height && kernel[2] <= width)
                    CHECK(check_dynamic(c, static_cast<uint32_t>(height * width + 1)));
            }
        }
    }
    // Likewise where windows are gathered.
    ConvolutionCase c = sized(18, 70, {1, 3, 4}, {1, 3, 3}, 0.4);
    c.batch = 37;
    c.params.dilations = {1, 400, 300};
    c.params.strides = {1, 400, 300};
    c.pads = {0, 400, 300};
    c.end_pads = {0, 800, 300};
    CHECK(check_dynamic(c, 1));
}

// What the epilogue makes of the outputs, against the epilogue alone: the same bits.
void test_epilogues(const Spatial& in_size, int64_t batch) {
    ConvolutionCase c = sized(40, 70, in_size, {1, 3, 3}, 0.4);
    c.batch = batch;
    Random random(1);
    const SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
    const Floats x(static_cast<size_t>(c.batch * c.inputs * product(c.in_size)), random), bias(70, random);
    ConvolutionRun run = c.run(x, bias);
    const Floats residual(static_cast<size_t>(c.batch * c.outputs * product(run.out_size)), random);
    for (const Isa isa : supported_isas()) {
        const char* problem = nullptr;
        const auto layer = create_dynamic_convolution(weight, c.params, isa, &problem);
        SerialExecutor executor;
        run.epilogue = {};
        const Floats plain = run_once(*layer, run, executor);
        for (const Activation activation :
             {Activation::none, Activation::relu, Activation::clip, Activation::leaky_relu, Activation::gelu}) {
            for (const float* added :
                 {static_cast<const float*>(nullptr), static_cast<const float*>(residual.data.get())}) {
                run.epilogue = {activation, 0.1f, 0.5f, added};
                Floats expected(plain.size, kCanary);
                std::copy_n(plain.data.get(), plain.size, expected.data.get());
                finish_kernel(isa)(run.epilogue, added, expected.data.get(), plain.size);
                CHECK(same_bits(run_once(*layer, run, executor), expected, plain.size));
            }
        }
    }
}

// Window lanes where they exist, but for groups of so few outputs that a block of sixteen is nearly empty.
void test_layouts_by_groups() {
    const Isa isa = supported_isas().front();
    for (const int64_t group_outputs : {1, 2, 3, 4, 16}) {
        for (const double density : {0.01, 0.3, 1.0}) {
            ConvolutionCase c = sized(32, 8 * group_outputs, {1, 9, 9}, {1, 7, 7}, density);
            c.params.groups = 8;
            Random random(1);
            const SparseWeight weight = random_weight(random, c.weight_shape(), c.weight);
            const char* problem = nullptr;
            const auto layer = create_dynamic_convolution(weight, c.params, isa, &problem);
            const bool is_on_lanes = dynamic_cast<const DynamicLaneConvolution*>(layer.get());
            if (!lane_kernels(isa) || group_outputs < 4) CHECK(!is_on_lanes);
            if (lane_kernels(isa) && group_outputs == 16) CHECK(is_on_lanes);
        }
    }
}

}  // namespace

int main() {
    test_widths();
    test_kernels_of_one();
    test_channels();
    test_windows_that_are_gathered();
    test_bands();
    test_images();
    test_small_planes();
    test_layouts_by_groups();
    test_epilogues({1, 13, 19}, 1);
    test_epilogues({1, 1, 1}, 37);
    test_epilogues({1, 3, 2}, 5);
    return check::finish();
}
