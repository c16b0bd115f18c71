"""Pages whose browsers never connect: few are held, and not for long."""

from pipeline.tuner import visits
from tests.tuner.serving import serving, wait_until

REQUESTS = 120


def test_requests_without_a_socket_cost_no_memory():
    """Pages of 0.28 MiB each were held for more than a minute; now a few are held, and their memory is used again."""
    with serving() as server:
        for _ in range(2 * visits.MAX_WAITING):
            server.ask("/")
        before = server.pages()[1]
        for number in range(REQUESTS):
            assert server.ask("/" if number % 2 else "/no-such-page").status == 200
        count, memory = server.pages()

    assert count <= visits.MAX_WAITING
    assert memory - before < 10 * 2**20


def test_pages_are_bounded_and_given_up():
    """No page is built beyond the limit, and the answer says what to do; those that wait for too long make room again."""
    with serving(MAX_PAGES=2, WAIT_SECONDS=2.0, _LOOK_SECONDS=0.1) as server:
        assert [server.ask("/").status for _ in range(3)] == [200, 200, 503]
        assert b"Close some of them" in server.ask("/").content
        assert server.pages()[0] == 2
        wait_until(lambda: server.pages()[0] == 0)
        assert server.ask("/").status == 200
