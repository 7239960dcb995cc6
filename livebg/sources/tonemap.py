"""HDR to SDR: a 3D lookup table that converts BT.2020 HLG or PQ signals to BT.709 signals.

FFmpeg's ``scale`` also converts transfer and primaries, but it clips above reference white or, with its perceptual intent,
darkens faces if the file has no mastering peak. The usual alternative, zscale, is missing from PyAV's wheels.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

PQ: Final = 16
HLG: Final = 18
HDR_TRANSFERS: Final = {PQ: "PQ", HLG: "HLG"}
"""The names of the H.273 transfer code points."""

REFERENCE_WHITE: Final = 203.0
"""cd/m2. HDR reference white (ITU-R BT.2408, table 1), which SDR shows as white."""
_PEAK: Final = 1000.0
"""cd/m2. HLG's nominal peak and the peak of most PQ material. Brighter PQ is clipped."""
_SDR_DISPLAY_GAMMA: Final = 2.4
_CUBE_SIZE: Final = 33
_LUMINANCE_2020: Final = np.array([0.2627, 0.6780, 0.0593])
_LUMINANCE_709: Final = np.array([0.2126, 0.7152, 0.0722])
_BT2020_TO_BT709: Final = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)

Values = NDArray[np.float64]


def pq_to_nits(signal: Values) -> Values:
    """Apply the EOTF of SMPTE ST 2084 / BT.2100: signal 0..1 to cd/m2."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = np.power(np.maximum(signal, 0), 1 / m2)
    nits: Values = 10000 * np.power(np.maximum(root - c1, 0) / (c2 - c3 * root), 1 / m1)
    return nits


def nits_to_pq(nits: Values) -> Values:
    """Apply the inverse of :func:`pq_to_nits`."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = np.power(np.maximum(nits, 0) / 10000, m1)
    signal: Values = np.power((c1 + c2 * power) / (1 + c3 * power), m2)
    return signal


def hlg_to_nits(signal: Values) -> Values:
    """Convert BT.2100 HLG to light on its nominal display of 1000 cd/m2: R'G'B' 0..1, shape (..., 3), to cd/m2.

    Applies the inverse OETF, then the OOTF with gamma 1.2.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = np.maximum(scene @ _LUMINANCE_2020, 0)[..., None]
    nits: Values = _PEAK * scene * np.power(luminance, 0.2)
    return nits


def roll_off(nits: Values) -> Values:
    """Apply the EETF of ITU-R BT.2390 (section 5.4.1, steps 1 to 3, black at 0): compresses a peak of 1000 cd/m2 to reference
    white.

    Values below about 93 cd/m2 (faces, 18 % gray) do not change; above, a Hermite spline compresses highlights under the new
    peak.
    """
    source_peak = nits_to_pq(np.array(_PEAK))
    signal = np.minimum(nits_to_pq(nits) / source_peak, 1)
    target = nits_to_pq(np.array(REFERENCE_WHITE)) / source_peak
    knee = 1.5 * target - 0.5
    t = np.maximum(signal - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * target
    return pq_to_nits(np.where(signal < knee, signal, spline) * source_peak)


def to_sdr(signal: Values, transfer: int) -> Values:
    """Convert BT.2020 R'G'B' in ``PQ`` or ``HLG``, shape (..., 3), 0..1, to BT.709 R'G'B' for a BT.1886 display, 0..1.

    Reference white is scaled to SDR white (inverts the factor 2.03 of BT.2408, section 5.1.2). A color outside the BT.709 gamut
    is desaturated toward the gray of its luminance until it fits, which keeps its hue.
    """
    nits = pq_to_nits(signal) if transfer == PQ else hlg_to_nits(signal)
    linear = (roll_off(nits) / REFERENCE_WHITE) @ _BT2020_TO_BT709.T
    gray = np.clip(linear @ _LUMINANCE_709, 0, 1)[..., None]
    chroma = linear - gray
    with np.errstate(divide="ignore", invalid="ignore"):
        headroom = np.where(chroma > 0, (1 - gray) / chroma, np.where(chroma < 0, -gray / chroma, np.inf))
    in_gamut = gray + chroma * np.minimum(headroom.min(axis=-1, keepdims=True), 1)
    signal_709: Values = np.power(np.clip(in_gamut, 0, 1), 1 / _SDR_DISPLAY_GAMMA)
    return signal_709


def cube(transfer: int) -> str:
    """Return the table as a ``.cube`` file for FFmpeg's ``lut3d``, with red as the fastest index."""
    axis = np.linspace(0, 1, _CUBE_SIZE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    table = to_sdr(np.stack([red, green, blue], axis=-1), transfer).reshape(-1, 3)
    rows = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in table.tolist())
    return f"LUT_3D_SIZE {_CUBE_SIZE}\n{rows}\n"
