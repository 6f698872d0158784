"""The question bank: questions about the motion of a clip's objects and camera."""

import hashlib

from stages.models.protocols import Category

BANK: dict[Category, tuple[str, ...]] = {
    "object": (
        "How do the objects in this video move?",
        "What moves in this scene, and in which direction?",
        "Describe the motion of the main object from beginning to end.",
        "Which way does the most noticeable object travel?",
        "How fast do the moving objects go?",
        "Where in the picture does the movement take place?",
        "What path does the moving object take across the scene?",
        "Does anything in this scene move on its own? If so, how?",
        "How many objects are in motion, and what does each of them do?",
        "When does the main object move during the clip, and where to?",
        "Give an account of every movement of objects that can be seen.",
        "Is any object coming closer or going away, or does it keep its size?",
        "Compare the movements of the objects in the clip.",
        "What is the direction and the speed of the moving object?",
        "Which object moves the fastest, and where does it go?",
        "Do the moving objects keep to one direction, or do they turn?",
    ),
    "camera": (
        "How does the camera move in this video?",
        "Is the camera still, or does it move? If it moves, how?",
        "Which camera movements are used in this clip?",
        "In which direction does the camera travel or turn?",
        "How fast is the camera's movement?",
        "Describe the camera work from the first frame to the last.",
        "Does the camera pan, tilt, zoom or roll?",
        "What does the person holding the camera do during this shot?",
        "How does the framing of the scene change through the camera?",
        "Is this shot steady, shaky or moving?",
        "Would you call this a fixed shot or a moving one, and why?",
        "What happens to the view over the course of the clip because of the camera?",
        "Does the camera zoom in or out at any time?",
        "Name the camera motion and estimate its speed.",
        "Is the camera moving?",
        "Which way does the camera turn, and does it keep turning that way?",
    ),
    "both": (
        "Describe how the camera moves and how the objects move.",
        "Which of the movements come from the camera, and which from the objects?",
        "How do the motion of the scene's objects and that of the camera go together?",
        "Tell apart the camera's motion and the objects' own motion in this clip.",
        "Does the camera follow what moves in the scene?",
        "What changes in the picture, and is it the camera or the objects that cause it?",
    ),
}
# The categories of a clip's first, second and third question; further questions repeat the cycle.
TURNS: tuple[Category, ...] = ("object", "camera", "both")


def choose(clip_id: str, per_clip: int, seed: int) -> list[tuple[str, Category]]:
    """Choose distinct questions for a clip; the choice depends only on the clip and the seed.

    The first two are one about the objects and one about the camera; a single one is about either, at random.

    Args:
        clip_id: The clip.
        per_clip: Number of questions.
        seed: Varies the choice.

    Returns:
        Questions with their categories.

    Raises:
        ValueError: The bank has fewer questions.
    """
    first = _number(f"{seed}\n{clip_id}") % 2 if per_clip == 1 else 0
    orders = {
        category: sorted(texts, key=lambda text: _number(f"{seed}\n{clip_id}\n{text}"))
        for category, texts in BANK.items()
    }
    chosen: list[tuple[str, Category]] = []
    for k in range(first, first + per_clip):
        left = [TURNS[(k + n) % len(TURNS)] for n in range(len(TURNS)) if orders[TURNS[(k + n) % len(TURNS)]]]
        if not left:
            raise ValueError(f"the bank has only {len(chosen)} questions, but {per_clip} were requested")
        chosen.append((orders[left[0]].pop(0), left[0]))
    return chosen


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
