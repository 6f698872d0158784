"""Clips that mislead a careless motion estimator, each with the labels that a person would give it."""

from dataclasses import replace

from stages.demo.recipe import Camera, Finish, Mover, Recipe

SECOND_TILTS = Recipe("second_shot", "motorcycle_left", Camera(tilt=0.12), seconds=1.5, seed=1)
SECOND_STATIC = replace(SECOND_TILTS, camera=Camera())
SECOND_PANS = replace(SECOND_TILTS, camera=Camera(pan=-0.15))
SECOND_CUTS = replace(SECOND_TILTS, photo="coins", then=Recipe("third_shot", "chelsea", seconds=1.2))

FLASH = Finish(flash_s=1.5)
NIGHT = Finish(light=(0.15, 0.15), noise=6.0)
HIGH_NOISE = Finish(noise=7.0)
COARSE = Finish(crf=42)
LETTERBOX = Finish(bars=0.14)
SUBTITLE = Finish(caption="subtitle")
TICKER = Finish(caption="ticker")

# The label is that of the longest shot, which is the first.
CUTS = (
    Recipe("cut_static", "coffee", seconds=1.5, seed=2, then=SECOND_STATIC),
    Recipe("cut_pan_right", "astronaut", Camera(pan=0.15), seconds=1.5, seed=3, then=SECOND_TILTS),
    Recipe("cut_in_a_pan", "chelsea", Camera(pan=-0.15), seconds=1.7, seed=20, then=SECOND_PANS),
    Recipe("two_cuts", "rocket", seconds=1.8, seed=21, then=SECOND_CUTS),
    Recipe(
        "dissolve", "astronaut", Camera(pan=0.12), seconds=2.3, seed=22, then=SECOND_TILTS, dissolve_s=0.6
    ),
)
LIGHT = (
    Recipe("flicker_static", "astronaut", seed=4, flicker=0.15),
    Recipe("rolling_bands_static", "motorcycle_left", seed=5, flicker=0.1, bands=1.5),
    Recipe("rolling_bands_pan_right", "coffee", Camera(pan=0.08), seed=23, flicker=0.1, bands=1.5),
    Recipe("flash_static", "coffee", seed=24, finish=FLASH),
    Recipe("flash_pan_left", "motorcycle_left", Camera(pan=-0.12), seed=25, finish=FLASH),
    Recipe(
        "flash_before_a_cut",
        "coffee",
        seconds=2.0,
        seed=57,
        finish=Finish(flash_s=1.875),
        then=SECOND_STATIC,
    ),
    Recipe("fade_in_static", "astronaut", seed=26, finish=Finish(light=(0.05, 1.0))),
    Recipe("fade_out_tilt_down", "coffee", Camera(tilt=0.12), seed=27, finish=Finish(light=(1.0, 0.05))),
    Recipe("dark_static", "motorcycle_left", seed=28, finish=NIGHT),
    Recipe("dark_pan_left", "astronaut", Camera(pan=-0.12), seed=29, finish=NIGHT),
)
LITTLE_DETAIL = (
    Recipe("low_texture_static", "chelsea", seed=6, contrast=0.15),
    Recipe("low_texture_pan_right", "coffee", Camera(pan=0.12), seed=7, contrast=0.15),
    Recipe("noisy_wall_static", "coffee", seed=30, contrast=0.1, finish=HIGH_NOISE),
    Recipe("noisy_wall_tilt_up", "astronaut", Camera(tilt=-0.15), seed=31, contrast=0.1, finish=HIGH_NOISE),
    Recipe("coarse_coding_static", "rocket", seed=32, finish=COARSE),
    Recipe("coarse_coding_pan_right", "chelsea", Camera(pan=0.06), seed=33, finish=COARSE),
    Recipe("blurred_pan_left", "coffee", Camera(pan=-0.6), seed=34, finish=Finish(exposures=6)),
)
UNEVEN_MOTION = (
    Recipe("handheld", "motorcycle_left", Camera(shake=0.005), seed=35),
    Recipe("handheld_pan_right", "astronaut", Camera(pan=0.12, shake=0.005), seed=36),
    Recipe("shaken_pan_left", "coffee", Camera(pan=-0.25, shake=0.012), seed=37),
    Recipe("repeated_frames_pan_left", "chelsea", Camera(pan=-0.15), seed=38, finish=Finish(hold=2)),
    Recipe("stuttering_tilt_down", "astronaut", Camera(tilt=0.15), seed=39, finish=Finish(hold=5)),
)
OVERLAYS = (
    Recipe("letterbox_pan_left", "coffee", Camera(pan=-0.1), seed=40, finish=LETTERBOX),
    Recipe("letterbox_zoom_in", "chelsea", Camera(zoom=0.15), seed=41, finish=LETTERBOX),
    Recipe("subtitle_pan_right", "gravel", Camera(pan=0.1), seed=42, finish=SUBTITLE),
    Recipe("subtitle_flat_tilt_up", "coffee", Camera(tilt=-0.15), seed=43, contrast=0.25, finish=SUBTITLE),
    Recipe("ticker_static", "coffee", seed=44, finish=TICKER),
    Recipe("ticker_flat_static", "chelsea", seed=45, contrast=0.25, finish=TICKER),
)

# A number in a name is the percentage of the frame that the object covers.
LARGE_OBJECTS = (
    Recipe("huge_object_static", "camera", movers=(Mover((0.04, 0.0), 0.9, "cup"),), seed=8),
    Recipe("crossing_30_static", "coffee", movers=(Mover((0.3, 0.0), 0.43, "face"),), seed=46),
    Recipe("crossing_50_static", "astronaut", movers=(Mover((-0.2, 0.0), 0.67, "cup"),), seed=47),
    Recipe("crossing_70_static", "gravel", movers=(Mover((0.1, 0.0), 0.8, "cup"),), seed=48),
    Recipe("rising_50_static", "motorcycle_left", movers=(Mover((0.0, -0.25), 0.55, "face"),), seed=49),
    Recipe("entering_50_static", "rocket", movers=(Mover((0.2, 0.0), 0.67, "cup", (0.2, 0.6)),), seed=50),
    Recipe(
        "followed_30_pan_left", "coffee", Camera(pan=-0.15), (Mover((-0.15, 0.0), 0.43, "face"),), seed=51
    ),
    Recipe(
        "followed_50_pan_right",
        "motorcycle_left",
        Camera(pan=0.12),
        (Mover((0.12, 0.0), 0.67, "cup"),),
        seed=52,
    ),
    Recipe("followed_70_tilt_up", "gravel", Camera(tilt=-0.15), (Mover((0.0, -0.15), 0.8, "cup"),), seed=53),
    Recipe(
        "overtaken_50_pan_right",
        "astronaut",
        Camera(pan=0.1),
        (Mover((0.25, 0.0), 0.67, "cup", (0.4, 0.5)),),
        seed=54,
    ),
    Recipe("crossing_40_zoom_in", "gravel", Camera(zoom=0.15), (Mover((0.15, 0.0), 0.6, "cup"),), seed=55),
    Recipe(
        "crossing_40_roll_clockwise",
        "coffee",
        Camera(roll=10.0),
        (Mover((-0.15, 0.0), 0.5, "face"),),
        seed=56,
    ),
)


def hard_cases() -> list[Recipe]:
    """All of them, by what makes them hard."""
    return [*CUTS, *LIGHT, *LITTLE_DETAIL, *UNEVEN_MOTION, *OVERLAYS, *LARGE_OBJECTS]
