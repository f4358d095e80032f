// Loops built for the vector units of several processors; the loader takes the best that is there.
#pragma once
#include <bit>
#include <cstdint>

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define TSRL_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define TSRL_INLINE __attribute__((always_inline)) inline
#define TSRL_HAS_TARGETS
#else
#define TSRL_VECTORISED
#define TSRL_INLINE inline
#endif

namespace tsrl {

// eʸ for y ≤ 0: 2ⁿ·eʳ with the polynomial of Moshier's Cephes library, within two units in the last place. The C library's
// function takes one number at a time.
TSRL_INLINE float exponential(float y) {
  y = y < -87.0f ? -87.0f : y;
  const int32_t n = static_cast<int32_t>(y * 1.44269504f - 0.5f);
  const float r = y - static_cast<float>(n) * 0.693359375f + static_cast<float>(n) * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return (p * r * r + r + 1.0f) * std::bit_cast<float>((n + 127) << 23);
}

}  // namespace tsrl
