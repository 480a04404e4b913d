module bench/report

go 1.26.0
