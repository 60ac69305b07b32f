// Sparse convolutions of every instruction set that runs here, against a naive one in float64.
#include "convolution_case.h"

using namespace onnxdc;

namespace {

void test_output_sizes_around_vectors() {
    for (int64_t size : {1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23}) {
        ConvolutionCase c;
        c.in_size = {1, size, size};
        CHECK(check_case(c, static_cast<uint32_t>(size)));
        c.batch = 3;
        c.pads = c.end_pads = {0, 0, 0};
        c.kernel = {1, 1, 1};
        CHECK(check_case(c, static_cast<uint32_t>(size)));
    }
}

void test_densities_and_codebooks() {
    for (const double density : {0.0, 0.01, 0.1, 0.5, 1.0}) {
        for (const int64_t codes : {2, 31, 32, 33, 64, 65, 255, 256}) {
            ConvolutionCase c;
            c.weight = {density, codes};
            CHECK(check_case(c, static_cast<uint32_t>(codes)));
        }
    }
    ConvolutionCase c;
    c.weight.lone = true;
    for (uint32_t seed = 0; seed < 10; ++seed) CHECK(check_case(c, seed));
}

void test_many_tiles_and_bands() {
    for (const double density : {0.02, 0.3, 0.9}) {
        ConvolutionCase c;
        c.inputs = 96;
        c.outputs = 150;
        c.in_size = {1, 5, 6};
        c.weight = {density, 256};
        CHECK(check_case(c, 1));
    }
}

void test_more_values_than_a_code_tells_apart() {
    ConvolutionCase c;
    c.inputs = 4;
    c.outputs = 512;
    c.in_size = {1, 3, 3};
    c.weight = {0.5, 256, 512, 0};
    CHECK(check_case(c, 1));
}

void test_codebook_groups_along_each_axis() {
    for (const int64_t axis : {0, 1, 2, 3}) {
        ConvolutionCase c;
        c.outputs = 12;
        c.inputs = 6;
        c.weight = {0.4, 16, 3, axis};
        CHECK(check_case(c, 3));
    }
}

void test_groups_and_depthwise() {
    for (const int64_t groups : {2, 4, 8}) {
        for (const int64_t multiplier : {1, 2, 3}) {
            for (const int64_t stride : {1, 2}) {
                ConvolutionCase c;
                c.batch = 2;
                c.outputs = 8 * multiplier;
                c.params.groups = groups;
                c.params.strides = {1, stride, stride};
                CHECK(check_case(c, static_cast<uint32_t>(groups)));
            }
        }
    }
}

void test_batches() {
    for (const int64_t batch : {0, 1, 2, 3, 4, 5, 16, 17}) {
        for (const int64_t size : {4, 7, 40}) {
            ConvolutionCase c;
            c.batch = batch;
            c.inputs = c.outputs = 4;
            c.in_size = {1, size, size};
            CHECK(check_case(c, static_cast<uint32_t>(batch)));
        }
    }
}

void test_empty_outputs() {
    ConvolutionCase c;
    c.in_size = {1, 2, 9};
    c.pads = c.end_pads = {0, 0, 0};
    CHECK(c.out_size()[1] == 0);
    CHECK(check_case(c, 1));
}

void test_infinities_meet_nonzeros_only() {
    for (const double density : {0.02, 0.3, 1.0}) {
        ConvolutionCase c;
        c.weight.density = density;
        c.special = 3;
        CHECK(check_case(c, 5));
        c.params.strides = {1, 2, 2};
        CHECK(check_case(c, 6));
    }
}

}  // namespace

int main() {
    test_output_sizes_around_vectors();
    test_densities_and_codebooks();
    test_many_tiles_and_bands();
    test_more_values_than_a_code_tells_apart();
    test_codebook_groups_along_each_axis();
    test_groups_and_depthwise();
    test_batches();
    test_empty_outputs();
    test_infinities_meet_nonzeros_only();
    return check::finish();
}
