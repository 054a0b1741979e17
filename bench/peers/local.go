// The measurements of ../local.c with goroutines and channels: the same work, the same names of results. Channels are
// bounded, so nothing waits in long queues.
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

func result(name string, value float64, unit string) {
	fmt.Printf("RESULT\t%s\t%.6g\t%s\n", name, value, unit)
}

func residentBytes() float64 {
	var total, resident float64
	text, _ := os.ReadFile("/proc/self/statm")
	fmt.Sscanf(string(text), "%f %f", &total, &resident)
	return resident * float64(os.Getpagesize())
}

func ring(hops, links int) {
	first := make(chan int, 1)
	end := make(chan struct{})
	previous := first
	for i := 1; i <= links; i++ {
		next := make(chan int, 1)
		if i == links {
			next = first
		}
		go func(in, out chan int) {
			for left := range in {
				if left == 0 {
					close(end)
					return
				}
				out <- left - 1
			}
		}(previous, next)
		previous = next
	}
	begin := time.Now()
	first <- hops
	<-end
	result("ring.ns_per_hop", float64(time.Since(begin).Nanoseconds())/float64(hops), "ns")
}

func pairs(name string, messages, count int) {
	var all sync.WaitGroup
	begin := time.Now()
	for i := 0; i < count; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			there, back := make(chan int, 1), make(chan int, 1)
			go func() {
				for ball := range there {
					back <- ball
				}
			}()
			for left := messages / count / 2; left > 0; left-- {
				there <- left
				<-back
			}
			close(there)
		}()
	}
	all.Wait()
	result(name, float64(time.Since(begin).Nanoseconds())/float64(messages), "ns")
}

func counting(messages int) {
	balls := make(chan int, 1024)
	begin := time.Now()
	for i := 0; i < 2; i++ {
		go func() {
			for left := messages / 2; left > 0; left-- {
				balls <- left
			}
		}()
	}
	for left := messages; left > 0; left-- {
		<-balls
	}
	result("counting.ns_per_msg", float64(time.Since(begin).Nanoseconds())/float64(messages), "ns")
}

func spawnStop(actors int) {
	var gone sync.WaitGroup
	begin := time.Now()
	gone.Add(actors)
	for i := 0; i < actors; i++ {
		stop := make(chan struct{}, 1)
		go func() {
			<-stop
			gone.Done()
		}()
		stop <- struct{}{}
	}
	gone.Wait()
	result("spawn_stop.ns_per_actor", float64(time.Since(begin).Nanoseconds())/float64(actors), "ns")
}

func idle(actors int) {
	stops := make([]chan struct{}, actors)
	for i := range stops {
		stops[i] = nil // the list is not the actors' memory
	}
	runtime.GC()
	before := residentBytes()
	for i := range stops {
		stop := make(chan struct{}, 1)
		stops[i] = stop
		go func() { <-stop }()
	}
	result("idle.rss_bytes_per_actor", (residentBytes()-before)/float64(actors), "B")
	runtime.KeepAlive(stops)
}

func call(calls int) {
	type question struct {
		number int
		answer chan int
	}
	questions := make(chan question, 16)
	go func() {
		sum := 0
		for asked := range questions {
			sum += asked.number
			asked.answer <- sum
		}
	}()
	answer := make(chan int, 1)
	begin := time.Now()
	for i := 0; i < calls; i++ {
		questions <- question{1, answer}
		<-answer
	}
	result("call.ns_per_call", float64(time.Since(begin).Nanoseconds())/float64(calls), "ns")
}

func sky(up chan int, first, size int) {
	if size == 1 {
		up <- first
		return
	}
	parts := make(chan int, 10)
	for i := 0; i < 10; i++ {
		go sky(parts, first+i*(size/10), size/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-parts
	}
	up <- sum
}

func skynet(leaves int) {
	sum := make(chan int)
	begin := time.Now()
	go sky(sum, 0, leaves)
	if <-sum != leaves*(leaves-1)/2 {
		panic("the sum is wrong")
	}
	result("skynet.ms", float64(time.Since(begin).Nanoseconds())/1e6, "ms")
}

func main() {
	switch strings.Join(os.Args[1:], " ") {
	case "ring":
		ring(5000000, 503)
	case "pingpong":
		pairs("pingpong.ns_per_msg", 5000000, 1)
	case "pairs":
		pairs("pairs1000.ns_per_msg", 5000000, 1000)
	case "counting":
		counting(10000000)
	case "spawn":
		spawnStop(1000000)
	case "idle":
		idle(1000000)
	case "call":
		call(2000000)
	case "skynet":
		skynet(1000000)
	default:
		fmt.Fprintln(os.Stderr, "usage: local ring|pingpong|pairs|counting|spawn|idle|call|skynet")
		os.Exit(2)
	}
}
