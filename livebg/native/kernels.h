/* The functions that Python calls: read by the compiler and by cffi, so declarations only. */

void livebg_lerp(uint8_t *out, const uint8_t *a, const uint8_t *b, const float *weight, int32_t count);
