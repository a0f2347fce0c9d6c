from gateway.recording.overhead import OVERHEAD_BOUNDS_MS, Overhead


def test_there_is_a_bucket_for_what_is_beyond_all_bounds():
    assert list(OVERHEAD_BOUNDS_MS) == sorted(set(OVERHEAD_BOUNDS_MS))
    assert Overhead().counts == [0] * (len(OVERHEAD_BOUNDS_MS) + 1)
