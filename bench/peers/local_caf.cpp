// The measurements of ../local.c with CAF 0.17: the same work, the same names of results.
//
// SPDX-License-Identifier: Apache-2.0
#include <caf/all.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

using namespace caf;
using ball_atom = atom_constant<atom("ball")>;
using begin_atom = atom_constant<atom("begin")>;
using end_atom = atom_constant<atom("end")>;
using next_atom = atom_constant<atom("next")>;
using stop_atom = atom_constant<atom("stop")>;
using count = std::uint64_t;

static double now_ns()
{
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static void report(const char *name, double value, const char *unit)
{
    std::printf("RESULT\t%s\t%.6g\t%s\n", name, value, unit);
    std::fflush(stdout);
}

static double resident_bytes()
{
    std::ifstream file("/proc/self/statm");
    double total = 0, resident = 0;

    file >> total >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

struct link_state {
    actor next;
};

static behavior ring_link(stateful_actor<link_state> *self, actor end)
{
    return {[=](next_atom, const actor &next) { self->state.next = next; },
            [=](stop_atom) { self->state.next = nullptr, self->quit(); },
            [=](ball_atom, count left) {
                if (left == 0) {
                    self->send(end, end_atom::value);
                } else {
                    self->send(self->state.next, ball_atom::value, left - 1);
                }
            }};
}

static behavior pong(event_based_actor *self)
{
    return {[](ball_atom, count left) { return std::make_tuple(ball_atom::value, left); },
            [=](stop_atom) { self->quit(); }};
}

static behavior ping(event_based_actor *self, actor peer, count rounds, actor end)
{
    return {[=](begin_atom) { self->send(peer, ball_atom::value, rounds); },
            [=](ball_atom, count left) {
                if (left > 1) {
                    self->send(peer, ball_atom::value, left - 1);
                } else {
                    self->send(peer, stop_atom::value);
                    self->send(end, end_atom::value);
                    self->quit();
                }
            }};
}

struct counter_state {
    count left;
};

static behavior counter(stateful_actor<counter_state> *self, count messages, actor end)
{
    self->state.left = messages;
    return {[=](ball_atom, count) {
        if (--self->state.left == 0) {
            self->send(end, end_atom::value);
            self->quit();
        }
    }};
}

static behavior leaf(event_based_actor *self)
{
    return {[=](stop_atom) { self->quit(); }};
}

struct adder_state {
    count sum = 0;
};

static behavior adder(stateful_actor<adder_state> *self)
{
    return {[=](ball_atom, count number) -> count { return self->state.sum += number; }};
}

static void ask(event_based_actor *self, actor to, count left, actor end)
{
    if (left == 0) {
        self->send(end, end_atom::value);
        self->quit();
        return;
    }
    self->request(to, infinite, ball_atom::value, count{1}).then([=](count) { ask(self, to, left - 1, end); });
}

static behavior caller(event_based_actor *self, actor to, count calls, actor end)
{
    return {[=](begin_atom) { ask(self, to, calls, end); }};
}

struct sky_state {
    count sum = 0;
    int waiting = 10;
};

static behavior sky(stateful_actor<sky_state> *self, actor parent, count first, count size)
{
    if (size == 1) {
        self->send(parent, first);
        self->quit();
        return {[](count) {}};
    }
    for (count i = 0; i < 10; i++) {
        self->spawn(sky, actor_cast<actor>(self), first + i * (size / 10), size / 10);
    }
    return {[=](count part) {
        self->state.sum += part;
        if (--self->state.waiting == 0) {
            self->send(parent, self->state.sum);
            self->quit();
        }
    }};
}

int main(int argc, char **argv)
{
    actor_system_config config;
    actor_system system{config};
    scoped_actor self{system};
    actor me = actor_cast<actor>(self.ptr());
    auto wait = [&](count times) {
        for (count i = 0; i < times; i++) {
            self->receive([](end_atom) {});
        }
    };
    auto pairs = [&](const char *name, count messages, count number) {
        std::vector<actor> pings;
        double begin = now_ns();

        for (count i = 0; i < number; i++) {
            pings.push_back(system.spawn(ping, system.spawn(pong), messages / number / 2, me));
        }
        for (const auto &each : pings) {
            anon_send(each, begin_atom::value);
        }
        wait(number);
        report(name, (now_ns() - begin) / static_cast<double>(messages), "ns");
    };
    std::map<std::string, std::function<void()>> measurements = {
        {"ring",
         [&] {
             std::vector<actor> links;

             for (int i = 0; i < 503; i++) {
                 links.push_back(system.spawn(ring_link, me));
             }
             for (size_t i = 0; i < links.size(); i++) {
                 anon_send(links[i], next_atom::value, links[(i + 1) % links.size()]);
             }
             double begin = now_ns();
             anon_send(links[0], ball_atom::value, count{5000000});
             wait(1);
             report("ring.ns_per_hop", (now_ns() - begin) / 5e6, "ns");
             for (const auto &each : links) {
                 anon_send(each, stop_atom::value);
             }
         }},
        {"pingpong", [&] { pairs("pingpong.ns_per_msg", 5000000, 1); }},
        {"pairs", [&] { pairs("pairs1000.ns_per_msg", 5000000, 1000); }},
        {"counting",
         [&] {
             double begin = now_ns();
             actor to = system.spawn(counter, count{10000000}, me);

             for (int i = 0; i < 2; i++) {
                 system.spawn([to](event_based_actor *producer) {
                     for (count left = 5000000; left > 0; left--) {
                         producer->send(to, ball_atom::value, left);
                     }
                 });
             }
             wait(1);
             report("counting.ns_per_msg", (now_ns() - begin) / 1e7, "ns");
         }},
        {"spawn",
         [&] {
             size_t before = system.registry().running();
             double begin = now_ns();

             for (int i = 0; i < 1000000; i++) {
                 anon_send(system.spawn(leaf), stop_atom::value);
             }
             system.registry().await_running_count_equal(before);
             report("spawn_stop.ns_per_actor", (now_ns() - begin) / 1e6, "ns");
         }},
        {"idle",
         [&] {
             std::vector<actor> all(1000000);
             double before = resident_bytes();

             for (auto &each : all) {
                 each = system.spawn(leaf);
             }
             report("idle.rss_bytes_per_actor", (resident_bytes() - before) / 1e6, "B");
         }},
        {"call",
         [&] {
             actor by = system.spawn(caller, system.spawn(adder), count{2000000}, me);
             double begin = now_ns();

             anon_send(by, begin_atom::value);
             wait(1);
             report("call.ns_per_call", (now_ns() - begin) / 2e6, "ns");
         }},
        {"skynet",
         [&] {
             double begin = now_ns();

             system.spawn(sky, me, count{0}, count{1000000});
             self->receive([](count sum) {
                 if (sum != 499999500000) {
                     std::abort();
                 }
             });
             report("skynet.ms", (now_ns() - begin) / 1e6, "ms");
         }},
    };
    auto chosen = argc == 2 ? measurements.find(argv[1]) : measurements.end();

    if (chosen == measurements.end()) {
        std::fprintf(stderr, "usage: local_caf ring|pingpong|pairs|counting|spawn|idle|call|skynet\n");
        return 2;
    }
    chosen->second();
    _exit(0); // what was started is not worth waiting for
}
