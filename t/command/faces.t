# The command's faces say what httpd's say: of children that stand still, to the last figure.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;

# neither looks functions and lines up, which takes a second: what is measured once in one would never be the same
$ENV{POOLSTAT_SYMBOLS} = 'off';
my $s = PST::Server->new('command-faces');
ok($s->start, 'a server') or BAIL_OUT($s->log_text);
my @p = map { PST::Probe->start("pool=$_->[0]&bytes=$_->[1]&pieces=$_->[2]", port => $s->port, ask => $s->port) }
  [ 'request', 5_000_001, 1 ], [ 'connection', 300_000, 3 ], [ 'connsub', 70_000, 40 ], [ 'buckets', 2_000_000, 2 ];
$_->arrived('hold') for @p;
my $parent = $s->json->{server}{parent_pid};

# What the clock moves, and what is measured once a second.
sub still {
    my ($thing) = @_;
    if (ref $thing eq 'HASH') {
        return { map { $_ => still($thing->{$_}) } grep !/^(?:age_seconds|time|verdict|heap_verdict|books|findings)$/, keys %$thing };
    }
    return ref $thing eq 'ARRAY' ? [ map still($_), @$thing ] : $thing;
}

# All that does not move while nobody asks: who answers moves itself, so it is asked first and looked at last.
subtest 'JSON' => sub {
    my ($http, $command, @same, %answered);
    wait_for(sub {
        $http    = $s->json;
        $command = poolstat_json('--pid', $parent) or return 1;
        my %of = map { $_->{pid} => $_ } @{ $http->{children} };
        @same = grep { $of{ $_->{pid} } && eq_hash(still($_), still($of{ $_->{pid} })) } @{ $command->{children} };
        $answered{ $_->{pid} } = 1 for @same;
        return keys %answered >= (mpm() eq 'prefork' ? 2 : 1);
    }, 15);
    ok($command, 'the command speaks JSON') or return;
    is_deeply([ sort keys %$command ], [ sort keys %$http ], 'with the same keys');
    is_deeply(still($command->{server}), still($http->{server}), 'of the same server');
    cmp_ok(scalar keys %answered, '>=', 1, 'children that did not answer are the same, to the last figure');
    for my $p (@p) {
        is_deeply(still(row_of($command, $p->name)), still(row_of($http, $p->name)), 'a connection that waits: ' . $p->{path} =~ s/&.*//r);
    }
    my @places = grep { $_->{function} } @{ $command->{total}{classes} };
    cmp_ok(scalar @places, '>=', 1, 'functions have names: of the server, not of the command');
};

subtest 'text' => sub {
    my ($r, $http) = (poolstat('text', '--pid', $parent), $s->fetch('/pool-status?auto')->{body});
    is($r->{status}, 0, 'is there') or diag($r->{err});
    my %command = $r->{out} =~ /^([^:]+): (.*)$/mg;
    my %httpd   = $http =~ /^([^:]+): (.*)$/mg;
    my ($row) = row_of($s->json, $p[0]->name);
    my @keys = grep /^Child\.$row->{pid}\.Connection\.$row->{id}\./ && !/Age/, keys %httpd;
    cmp_ok(scalar @keys, '>', 20, 'lines of one connection');
    is(join("\n", map "$_: $command{$_}", sort @keys), join("\n", map "$_: $httpd{$_}", sort @keys), 'are the same');
};

subtest 'history' => sub {
    my ($child) = map $_->{pid}, row_of($s->json, $p[0]->name);
    my $r = poolstat('history', '--pid', $child);
    my $http = json_of($s->fetch("/pool-status/history?pid=$child")->{body});
    my $command = json_of($r->{out});
    is_deeply([ sort keys %$command ], [ sort keys %$http ], 'the same keys');
    my %at = map { $_->{time} => $_ } @{ $http->{fine} };
    my @both = grep $at{ $_->{time} }, @{ $command->{fine} };
    cmp_ok(scalar @both, '>=', 1, 'points of the same moments');
    is_deeply($_, $at{ $_->{time} }, "at $_->{time}") for @both;
    my $since = $command->{fine}[-1]{time};
    my $later = json_of(poolstat('history', '--pid', $child, '--since', $since)->{out});
    is(scalar(grep { $_->{time} <= $since } @{ $later->{fine} }), 0, '--since leaves out what is known');
    my $all = json_of(poolstat('history', '--pid', $parent)->{out});
    ok((grep { $_->{pid} == $child } @{ $all->{histories} }), 'the list has it');
};

subtest 'profile' => sub {
    my ($child) = map $_->{pid}, row_of($s->json, $p[0]->name);
    my ($of_child, $of_all);    # the same child answers, then it is the same text but for what its answer allocated
    $of_all = poolstat('profile', '--pid', $parent);
    is($of_all->{status}, 0, 'is there') or diag($of_all->{err});
    like($of_all->{out}, qr/^heap profile: +\d+: +\d+ \[ *\d+: +\d+\] @ heapprofile$/m, 'its head');
    like($of_all->{out}, qr/^MAPPED_LIBRARIES:\n.*mod_poolstat\.so$/ms, 'objects of the server');
    unlike($of_all->{out}, qr{\Q@{[ program() ]}\E$}m, 'not of the command');
    $of_child = poolstat('profile', '--pid', $child);
    my @maps = PST::Stage::read_file("/proc/$child/maps") =~ /^(\S+ r-xp .*\/.*)$/mg;
    is(join("\n", (split /MAPPED_LIBRARIES:\n/, $of_child->{out})[1] =~ /^(.+)$/mg), join("\n", @maps), 'of the child that was asked for');
};

subtest 'metrics' => sub {
    my ($text, $http) = (poolstat('metrics', '--pid', $parent), $s->fetch('/pool-status/metrics')->{body});
    is($text->{status}, 0, 'is there') or diag($text->{err});
    my $names = sub { my %n = map { $_ => 1 } $_[0] =~ /^# TYPE (\S+ \S+)$/mg; return join ' ', sort keys %n };
    is($names->($text->{out}), $names->($http), 'the same families');
    my $open = poolstat('metrics', '--pid', $parent, '--openmetrics');
    like($open->{out}, qr/\n# EOF\n\z/, '--openmetrics');
};

subtest 'table' => sub {
    my $json = poolstat_json('--pid', $parent);
    my $wide = poolstat('--pid', $parent);
    is($wide->{status}, 0, 'is there') or diag($wide->{err});
    for my $c (@{ $json->{children} }) {
        like($wide->{out}, qr/^ *$c->{pid} /m, "child $c->{pid}");
    }
    like($wide->{out}, qr/^ *\d+ +\d+ .*\Q@{[ $_->name ]}\E/m, 'connection') for @p;
    my ($first) = $wide->{out} =~ /^\d+ of \d+ connections\n.*\n(.*)$/m;
    like($first, qr/\Q@{[ $p[0]->name ]}\E/, 'the largest first');
    for my $columns (20, 40, 80, 132) {
        my $r = poolstat({ COLUMNS => $columns, LC_ALL => 'C.UTF-8' }, '--pid', $parent);
        my ($long) = grep length > $columns, split /\n/, $r->{out};
        is($long, undef, "no line is longer than $columns");
    }
    my $at80 = poolstat({ COLUMNS => 80, LC_ALL => 'C.UTF-8' }, '--pid', $parent)->{out};
    like($at80, qr/^ *Pid .*PSS +Held +Retained .*Growth +State$/m, 'at 80 columns: what tells whether a child grows');
    like($at80, qr/^ *$_->{pid} .* runs$/m, "child $_->{pid} runs") for @{ $json->{children} };
    my $sums = join ' ', split ' ', $at80;
    like($sums, qr/ Held \S+ \w+ = In process \S+ \w+ \+ In connections \S+ \w+ \+ In requests \S+ \w+ \+ Buckets \S+ \w+ \+ Retained \S+ \w+ Children/, 'all sums');
    for my $columns (map 6 * $_, 7 .. 16) {    # wherever the lines end
        my ($is) = split /\n\n/, poolstat({ COLUMNS => $columns }, '--pid', $parent)->{out};
        unlike($is, qr/(?:=|\+|In|Without)$|\d\n[KMG]?i?B\b/m, "$columns columns: no item of them is torn");
    }
    for my $order (qw(pools requests buckets peak)) {
        my $is = poolstat({ COLUMNS => 80 }, '--pid', $parent, '--sort', $order)->{out};
        like($is, qr/^ *Pid .*\u$order/m, "what is sorted by is shown: $order");
    }
    my $r = poolstat('--pid', $parent, '-l', 1);
    like($r->{out}, qr/^1 of \d+ connections$/m, '--limit');
    my $sorted = poolstat('--pid', $parent, '--sort', 'buckets', '--limit', 1);
    like($sorted->{out}, qr/\Q@{[ $p[3]->name ]}\E/, '--sort buckets');
    $r = poolstat('json', '--pid', $parent, '--vhost', 'no.such', '--kind', 'client');
    is(scalar(rows(json_of($r->{out}))), 0, '--vhost chooses rows');
};

subtest 'doctor' => sub {
    my $json = poolstat_json('--pid', $parent);
    my $r = poolstat('doctor', '--pid', $parent);
    is($r->{status}, @{ $json->{findings} } ? 1 : 0, 'the status tells whether there are findings') or diag($r->{err});
    is(join(' ', $r->{out} =~ /^(?:info|warning|critical): (\S+)$/mg), join(' ', map $_->{id}, @{ $json->{findings} }), 'those of JSON');
    like($r->{out}, @{ $json->{findings} } ? qr/\S/ : qr/^No findings/, 'or a calm line');
};

# What can be told of a server that has something wrong, and how.
subtest 'findings' => sub {
    my $off = PST::Server->new('command-findings', conf => "PoolStatInstrument Off\n");
    ok($off->start, 'a server that is not instrumented') or return;
    my @to = ('--pid', $off->json->{server}{parent_pid});
    my $r = poolstat('doctor', @to);
    is($r->{status}, 1, 'status 1');
    like($r->{out}, qr/^warning: not-instrumented$/m, 'the finding');
    cmp_ok((sort { $b <=> $a } map length, split /\n/, $r->{out})[0], '>', 120, 'a line each in a pipe, however long');
    my $whole = join ' ', split ' ', $r->{out};
    for my $columns (80, 50) {
        my $t = PST::Command->pty($columns, 24, 'doctor', @to)->end;
        is($t->{status}, 1, "the same on a terminal of $columns columns");
        my ($long) = grep length > $columns, split /\n/, $t->{out};
        is($long, undef, 'in lines that fit');
        is(join(' ', split ' ', $t->{out}), $whole, 'with every word');
    }
    is(poolstat('doctor', @to, '--severity', 'warning')->{status}, 1, '--severity=warning');
    $r = poolstat('doctor', @to, '--severity=critical');
    is($r->{status}, 0, '--severity=critical: nothing');
    like($r->{out}, qr/^No findings but less severe than critical: 1\.$/, 'but says what it leaves out');
    is(poolstat('doctor', @to, '--severity=bad')->{status}, 2, 'no severity');

    $r = poolstat('doctor', @to, '--json');
    is($r->{status}, 1, '--json: the same status');
    my ($said, $all) = (json_of($r->{out}), poolstat_json(@to));
    is(join(' ', sort keys %{ $said // {} }), 'children findings record_seconds schema time', 'its keys');
    is(scalar(grep { $_->{id} eq 'not-instrumented' } @{ $said->{findings} }), 1, 'the finding');
    is(join(' ', sort keys %{ $said->{findings}[0] }), join(' ', sort keys %{ $all->{findings}[0] }), 'as JSON has it');
    my $of_one = json_of(poolstat('doctor', '--pid', $off->json->{children}[0]{pid}, '--json')->{out});
    cmp_ok($said->{children}, '>', 1, 'children that were examined');
    is($of_one->{children}, $said->{children}, 'all of them, also where one is asked for');
    $r = poolstat('doctor', @to, '--json', '--severity', 'critical');
    is($r->{status}, 0, 'with --severity');
    is_deeply(json_of($r->{out})->{findings}, [], 'none is left');

    my $table = poolstat(@to)->{out};
    like($table, qr/\nFindings: 1, the worst: warning; .*\nwarning  not-instrumented +\S.*\n\z/, 'the table ends with them');
    my $colours = PST::Command->pty(100, 24, @to)->end->{out};
    like($colours, qr/^\e\[[\d;]*33m\s*warning\e\[0m  not-instrumented/m, 'in colour on a terminal');
    $colours =~ s/\e\[[\d;]*m//g;
    like($colours, qr/^warning  not-instrumented +\S.*\n\z/m, 'which adds nothing else');
    unlike(PST::Command->pty(100, 24, $_, @to)->end->{out}, qr/\e/, 'none with ' . join '=', %$_) for { NO_COLOR => 1 }, { TERM => 'vt100' }, { TERM => 'dumb' };
    is($off->stop, 0, 'stopped');
};

subtest 'watch in columns' => sub {
    my @run = ('--pid', $parent, '--count', 2, '--interval', 0.1);
    my ($all) = poolstat('watch', @run)->{out} =~ /^(.*)\n/;
    is(scalar(split /  +/, $all), 12, 'all columns in a pipe') or diag($all);
    my %width = (60 => qr/^Time +Held +change .*Most changed$/, 80 => qr/^Time +Held +change .*Retained +Requests\/s +Most changed$/, 200 => qr/^\Q$all\E$/);
    for my $columns (sort keys %width) {
        my $r = PST::Command->pty($columns, 24, 'watch', @run)->end;
        is($r->{status}, 0, "on a terminal of $columns columns");
        my @lines = split /\n/, $r->{out};
        is(scalar @lines, 3, 'a heading and two lines');
        like($lines[0], $width{$columns}, 'the most important columns');
        my ($long) = grep length > $columns, @lines;
        is($long, undef, 'nothing wraps');
    }
};

subtest 'watch' => sub {
    my $r = poolstat('watch', '--pid', $parent, '--count', 3, '--interval', 0.1);
    is($r->{status}, 0, 'ends after --count') or diag($r->{err});
    my @lines = split /\n/, $r->{out};
    like($lines[0], qr/^Time .*Held +change +Reserved +change .*Requests\/s/, 'headings');
    is(scalar @lines, 4, 'and three lines');
    like($lines[$_], qr/^\d\d:\d\d:\d\d +\S+ [KMG]?i?B +[+-]\S+ [KMG]?i?B /, "line $_") for 1 .. 3;
};
$_->finish for @p;
done_testing;
