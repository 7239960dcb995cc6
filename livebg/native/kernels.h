/* Fill the matte's tiles: 0 where `classes` is 0, 255 where it is 1; where it is 2, evaluate the guided filter's coefficients. */
void livebg_upsample(
    const float *coefficients, int rows, int columns,
    const uint8_t *luma, const uint8_t *u, const uint8_t *v, int height, int width,
    const uint8_t *classes, uint8_t *matte);

/* Composite the person over the background in `out`. */
void livebg_blend(
    const uint8_t *picture, const uint8_t *alpha, int height, int width,
    const float *person, const float *room, int rows, int columns,
    const uint8_t *tables, uint8_t *out);
