// What a sparse sum should be, and how far from it a kernel may be.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace onnxdc {

// How large a relative error may be. "Relative" is meant twice, and both must hold:
// * for each output, to the sum of the magnitudes of its terms, |x * w| and |bias|. Terms that cancel leave a sum as
//   small as chance will have it, with rounding errors of the terms' size, in whatever order float32 adds them;
// * for an array of outputs, the largest error to the largest output, unless all of them have cancelled.
constexpr double kMaxError = 1e-5;

// A sum in float64.
struct Expected {
    double sum = 0.0, magnitude = 0.0;

    void add(double term) {
        sum += term;
        magnitude += std::abs(term);
    }
    // Of a sum that is not finite, only the same will do.
    bool exact(float actual) const { return std::isnan(sum) ? std::isnan(actual) : static_cast<double>(actual) == sum; }
    double error(float actual) const {
        if (exact(actual)) return 0.0;
        const double difference = std::abs(static_cast<double>(actual) - sum);
        return difference < std::numeric_limits<double>::infinity() ? difference
                                                                    : std::numeric_limits<double>::infinity();
    }
    double relative_error(float actual) const {
        const double difference = error(actual);
        return difference == 0.0 ? 0.0 : difference / (std::isfinite(magnitude) ? magnitude : 1.0);
    }
};

// The largest relative errors, in both meanings.
struct Worst {
    double of_terms = 0.0, of_largest = 0.0;

    void add(const Worst& other) {
        of_terms = std::max(of_terms, other.of_terms);
        of_largest = std::max(of_largest, other.of_largest);
    }
    bool acceptable() const { return of_terms <= kMaxError && of_largest <= kMaxError; }
    void print() const {
        std::printf("largest error: %.2e of an output's terms, %.2e of the largest output\n", of_terms, of_largest);
    }
};

// Goes through an array of outputs.
class Comparison {
public:
    void add(const Expected& expected, float actual) {
        of_terms_ = std::max(of_terms_, expected.relative_error(actual));
        if (!std::isfinite(expected.sum)) return;
        error_ = std::max(error_, expected.error(actual));
        largest_ = std::max(largest_, std::abs(expected.sum));
        magnitude_ = std::max(magnitude_, expected.magnitude);
    }
    Worst worst() const { return {of_terms_, largest_ > kCancelled * magnitude_ ? error_ / largest_ : 0.0}; }

private:
    // What the largest output must have left of its terms: else errors of their size are no longer small next to it.
    static constexpr double kCancelled = 0.01;

    double of_terms_ = 0.0, error_ = 0.0, largest_ = 0.0, magnitude_ = 0.0;
};

}  // namespace onnxdc
