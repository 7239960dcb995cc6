/* Read by the compiler and by cffi, so declarations only; edges.py describes the arguments. Arrays are C-contiguous. The first three
 * functions return 0, or -1 if there is no memory. */

int livebg_fit(
    const uint8_t *guides, const float *alpha, int height, int width, int size, const float *epsilons, float low, float gain,
    float *coefficients);

int livebg_estimate(const uint8_t *planes, int height, int width, float minimum, float *person, float *room);

int livebg_shift(
    const uint8_t *alpha, int width, int top, int left, int rows, int columns, int steps, int share, int grow, uint8_t *out);

void livebg_evaluate(
    const float *coefficients, int rows, int columns,
    const uint8_t *luma, const uint8_t *u, const uint8_t *v, int height, int width,
    const uint8_t *content, uint8_t *alpha);

void livebg_blend(
    const uint8_t *picture, const uint8_t *alpha, int height, int width,
    const float *person, const float *room, int rows, int columns,
    const uint8_t *tables, uint8_t *out);
