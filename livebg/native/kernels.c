/* The per-pixel work, compiled. The NumPy functions that it replaces define its results, byte for byte.

   The compiler must not contract a * b + c to one rounding (-ffp-contract=off). Where one rounding is meant, use fmaf. */

#include <math.h>
#include <stdint.h>

#include "kernels.h"

/* out = round(a + weight * (b - a)), with weight in 0..1. */
void livebg_lerp(uint8_t *out, const uint8_t *a, const uint8_t *b, const float *weight, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        out[i] = (uint8_t)rintf(fmaf(weight[i], (float)b[i] - (float)a[i], (float)a[i]));
}
