%% The measurements of ../local.c in Erlang: the same work, the same names of results.
%%
%% SPDX-License-Identifier: Apache-2.0
-module(local).
-behaviour(gen_server).
-export([main/1, leaf/0, init/1, handle_call/3, handle_cast/2]).

main([Name | _]) ->
    Runner = self(),
    spawn_link(fun() -> measure(list_to_atom(Name)), Runner ! finished end),
    receive finished -> ok end,
    halt(0, [{flush, true}]).

result(Name, Value, Unit) ->
    io:format("RESULT\t~s\t~.6g\t~s~n", [Name, float(Value), Unit]).

nanoseconds(Work) ->
    garbage_collect(),
    Begin = erlang:monotonic_time(nanosecond),
    Work(),
    erlang:monotonic_time(nanosecond) - Begin.

measure(ring) ->
    Hops = 5000000,
    Main = self(),
    Head = spawn(fun() -> receive {next, Next} -> link_loop(Next, Main) end end),
    Tail = lists:foldl(fun(_, Next) -> spawn(fun() -> link_loop(Next, Main) end) end, Head, lists:seq(2, 503)),
    Head ! {next, Tail},
    Time = nanoseconds(fun() -> Head ! Hops, receive round -> ok end end),
    result("ring.ns_per_hop", Time / Hops, "ns");
measure(pingpong) ->
    result("pingpong.ns_per_msg", pairs(1, 5000000) / 5000000, "ns");
measure(pairs) ->
    result("pairs1000.ns_per_msg", pairs(1000, 5000000) / 5000000, "ns");
measure(counting) ->
    Messages = 10000000,
    Main = self(),
    Time = nanoseconds(fun() ->
        Counter = spawn(fun() -> count_down(Messages), Main ! counted end),
        [spawn(fun() -> produce(Counter, Messages div 2) end) || _ <- [1, 2]],
        receive counted -> ok end
    end),
    result("counting.ns_per_msg", Time / Messages, "ns");
measure(spawn) ->
    Actors = 1000000,
    Before = erlang:system_info(process_count),
    Time = nanoseconds(fun() -> come_and_go(Actors), all_gone(Before) end),
    result("spawn_stop.ns_per_actor", Time / Actors, "ns");
measure(idle) ->
    Actors = 1000000,
    garbage_collect(),
    Before = resident(),
    Pids = [spawn(?MODULE, leaf, []) || _ <- lists:seq(1, Actors)],
    After = resident(),
    %% A cell of the list is not the actor's.
    result("idle.rss_bytes_per_actor", (After - Before) / length(Pids) - 16, "B");
measure(call) ->
    Calls = 2000000,
    {ok, Adder} = gen_server:start(?MODULE, [], []),
    Time = nanoseconds(fun() -> call(Adder, Calls) end),
    result("call.ns_per_call", Time / Calls, "ns");
measure(skynet) ->
    Main = self(),
    Time = nanoseconds(fun() ->
        spawn(fun() -> sky(Main, 0, 1000000) end),
        receive 499999500000 -> ok end
    end),
    result("skynet.ms", Time / 1.0e6, "ms").

link_loop(Next, Main) ->
    receive
        0 -> Main ! round, link_loop(Next, Main);
        Left -> Next ! Left - 1, link_loop(Next, Main)
    end.

pairs(Pairs, Messages) ->
    Main = self(),
    Rounds = Messages div Pairs div 2,
    nanoseconds(fun() ->
        Pings = [spawn(fun() ->
            Pong = spawn(fun pong/0),
            receive begin_now -> ping(Pong, Rounds) end,
            Pong ! stop,
            Main ! pair_done
        end) || _ <- lists:seq(1, Pairs)],
        [Ping ! begin_now || Ping <- Pings],
        [receive pair_done -> ok end || _ <- Pings]
    end).

pong() -> receive {From, Ball} -> From ! Ball, pong(); stop -> ok end.

ping(_, 0) -> ok;
ping(Pong, Left) -> Pong ! {self(), Left}, receive Left -> ping(Pong, Left - 1) end.

count_down(0) -> ok;
count_down(Left) -> receive {ball, _} -> count_down(Left - 1) end.

produce(_, 0) -> ok;
produce(Counter, Left) -> Counter ! {ball, Left}, produce(Counter, Left - 1).

leaf() -> receive stop -> ok end.

come_and_go(0) -> ok;
come_and_go(Left) -> spawn(?MODULE, leaf, []) ! stop, come_and_go(Left - 1).

all_gone(Before) ->
    case erlang:system_info(process_count) > Before of
        true -> erlang:yield(), all_gone(Before);
        false -> ok
    end.

init([]) -> {ok, 0}.
handle_call({add, Number}, _From, Sum) -> {reply, Sum + Number, Sum + Number}.
handle_cast(_, Sum) -> {noreply, Sum}.

call(_, 0) -> ok;
call(Adder, Left) -> _ = gen_server:call(Adder, {add, 1}), call(Adder, Left - 1).

sky(Parent, Number, 1) -> Parent ! Number;
sky(Parent, Number, Size) ->
    Self = self(),
    Part = Size div 10,
    [spawn(fun() -> sky(Self, Number + I * Part, Part) end) || I <- lists:seq(0, 9)],
    Parent ! gather(10, 0).

gather(0, Sum) -> Sum;
gather(Left, Sum) -> receive Number -> gather(Left - 1, Sum + Number) end.

resident() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:lexemes(binary_to_list(Text), " "),
    list_to_integer(Pages) * 4096.
