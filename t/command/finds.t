# Which board the command reads: of the process or file it is told, of the server that runs, whatever
# its board is called; several are listed; a dead server's board tells of its last moment.
use strict;
use warnings;
use PST;
use PST::Command;
use PST::Server;
use Test::More;
use Time::HiRes qw(time);

# The wrapper that brings the sanitizer in is a process of its own; its child is httpd.
sub parent_of { my ($s) = @_; return $s->json->{server}{parent_pid} }
sub pids { my ($json) = @_; return join ' ', sort { $a <=> $b } map $_->{pid}, @{ $json->{children} } }

my $s = PST::Server->new('command-finds', conf => "PoolStatFile strange-name\n");
ok($s->start, 'a server whose board has a name of its own') or BAIL_OUT($s->log_text);
my $file = "$s->{dir}/run/strange-name";
my $parent = parent_of($s);
my $http = $s->json;

subtest 'chosen' => sub {
    my $by_pid = poolstat_json('--pid', $parent);
    is($by_pid && $by_pid->{server}{parent_pid}, $parent, 'by the parent\'s pid');
    my $by_file = poolstat_json('--file', $file);
    is($by_file && $by_file->{server}{parent_pid}, $parent, 'by the file');
    # prefork starts and ends children by itself
    ok(wait_for(sub { my $now = pids($s->json); $now eq pids(poolstat_json('--file', $file)) && $now eq pids($s->json) }, 5), 'with all its children');
    my $child = $http->{children}[0]{pid};
    my $by_child = poolstat_json("--pid=$child");
    is($by_child && $by_child->{server}{parent_pid}, $parent, 'by a child\'s pid');
    is(pids($by_child), $child, 'which is then shown alone');
    my $r = poolstat('history', '-p', $child);
    is($r->{status}, 0, 'its history') or diag($r->{err});
    is(json_of($r->{out})->{pid}, $child, 'is its own');
};

subtest 'not there' => sub {
    my $r = poolstat('--pid', $$);
    is($r->{status}, 3, 'this test is no httpd');
    like($r->{err}, qr/process $$ has no board/, 'and it says so');
    $r = poolstat('json', '--file', "$s->{dir}/none");
    is($r->{status}, 3, 'no such file');
    is($r->{out}, '', 'nothing on stdout');
    $r = poolstat('json', '--file', $s->{dir});
    is($r->{status}, 5, 'a folder is no board');
    system 'mkfifo', "$s->{dir}/pipe";
    $r = poolstat('json', '--file', "$s->{dir}/pipe");
    is($r->{status}, 5, 'a pipe is no board, and nobody waits for it');
    cmp_ok($r->{took}, '<', 5, 'at once');
};

subtest 'several' => sub {
    my $two = PST::Server->new('command-two');
    ok($two->start, 'another server') or return;
    my $r = poolstat('json');
    is($r->{status}, 4, 'which is meant?');
    is($r->{out}, '', 'nothing on stdout');
    like($r->{err}, qr/--pid $parent .*\Qstrange-name\E/, 'the first is offered');
    my $me = getpwuid $>;
    my $port = $s->port;
    my $time = qr/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/;
    my ($line) = grep /--pid $parent /, split /\n/, $r->{err};
    like($line, qr/ \Q$me\E's, ports? (?:\d+, )*$port\b.* since $time, /, 'with its user, its port and since when');
    my $other = parent_of($two);
    like($r->{err}, qr/--pid $other .*poolstat\.board/, 'and the second');
    is(poolstat_json('--pid', $other)->{server}{parent_pid}, $other, 'the second chosen');
    is($two->stop, 0, 'it stops');
    is(poolstat('json', '--pid', $other)->{status}, 3, 'and is found no more');
};

subtest 'stopped processes' => sub {
    my $p = PST::Probe->start('pool=request&bytes=3000000', port => $s->port, ask => $s->port);
    $p->arrived('hold');
    my @pids = ($parent, map $_->{pid}, @{ $s->json->{children} });
    my $before = row_of($s->json, $p->name);
    kill STOP => @pids;
    my $now = poolstat_json('--pid', $parent);
    my $table = poolstat({ COLUMNS => 200 }, '--pid', $parent);
    kill CONT => @pids;
    my $row = row_of($now, $p->name);
    is($row && $row->{request}{reserved_bytes}, $before->{request}{reserved_bytes}, 'figures of a server that is stopped');
    is($table->{status}, 0, 'the table too');
    like($table->{out}, qr/^ *$before->{pid} .* stopped$/m, 'says that the child is stopped') or diag($table->{out});
    cmp_ok($table->{took}, '<', 5, 'at once');
    is($p->finish->{status}, 200, 'it went on');
};

subtest 'post mortem' => sub {
    my $p = PST::Probe->start('pool=request&bytes=4000000', port => $s->port, ask => $s->port);
    $p->arrived('hold');
    my $before = row_of($s->json, $p->name);
    my $child_started = time - (grep { $_->{pid} == $before->{pid} } @{ $s->json->{children} })[0]{age_seconds} - 1;
    PST::Server::freeze($parent);       # which then starts no more children
    my @pids = do { my %seen; grep !$seen{$_}++, $s->pid, $parent, $s->child_pids, map $_->{pid}, @{ $s->json->{children} } };
    PST::Server::kill_all([ $s->pid, $parent ], @pids);
    ok(wait_for(sub { $s->ended; !grep { kill 0 => $_ } @pids }), 'all were killed');
    my $killed_at = time;
    $p->conn->close;
    my $r = poolstat('json', '--file', $file);
    is($r->{status}, 0, 'the board is read') or diag($r->{err});
    like($r->{err}, qr/the server is gone.*, of \d{4}-\d\d-\d\d /, 'and its end told, and of when the figures are');
    my $row = row_of(json_of($r->{out}) // { children => [] }, $p->name);
    is($row && $row->{request}{reserved_bytes}, $before->{request}{reserved_bytes}, 'with what the request had at the end');
    my $first = json_of($r->{out});
    my ($child) = grep { $_->{pid} == $before->{pid} } @{ $first->{children} };
    ok($first->{server}{gone}, 'the server is said to be gone');
    ok(!$child->{alive}, 'so is the child, which nobody saw end');
    is($child->{ended_how}, 'gone', 'in a word of its own');
    cmp_ok($child->{ended}, '>', $child_started, 'its last sign');
    cmp_ok($child->{ended}, '<=', $killed_at, 'was before it was killed');
    is(sprintf('%.3f', int($first->{server}{time} * 1000 + 1e-3) / 1000), sprintf('%.3f', (sort { $b <=> $a } map $_->{ended}, @{ $first->{children} })[0]), 'the figures are of the last sign of any')
      if @{ $first->{children} };
    my $again = poolstat_json('--file', $file);
    is(join(' ', map $_->{age_seconds}, rows($again), @{ $again->{children} }), join(' ', map $_->{age_seconds}, rows($first), @{ $first->{children} }),
        'and grow no older');
    my $of = json_of(poolstat('history', '--file', $file)->{out});
    is(join(' ', grep { $_->{alive} || $_->{ended_how} ne 'gone' || !$_->{ended} } @{ $of->{histories} }), '', 'the histories know it, too');
    my $one = json_of(poolstat('history', '--file', $file, '--pid', $before->{pid})->{out});
    ok(!$one->{alive} && $one->{ended} && $one->{ended_how} eq 'gone', 'each of them');
    my $profile = poolstat('profile', '--file', $file);
    is($profile->{status}, 3, 'no profile is made without a process');
    like($profile->{err}, qr/no process of it is left: no profile; poolstat json has/, 'and why');
    is($profile->{out}, '', 'not half a one either');
    my $table = poolstat({ COLUMNS => 200 }, '--file', $file);
    like($table->{out}, qr/^ *$before->{pid} .* gone$/m, 'the table says gone') or diag($table->{out});
    like($table->{out}, qr/parent $parent \(gone\)/, 'of the parent too');
    like($table->{out}, qr/\Q@{[ $p->name ]}\E/, 'and names the request');
    is(poolstat('json', '--file', $file, '--pid', $before->{pid})->{status}, 0, 'one of its children alone');
    is(poolstat('history', '--file', $file, '--pid', $before->{pid})->{status}, 0, 'its history');
    my $watch = poolstat('watch', '--file', $file, '-n', 3);
    is($watch->{status}, 0, 'watch ends by itself');
    is(scalar(() = $watch->{out} =~ /^\d\d:\d\d:\d\d .*[KM]iB/mg), 1, 'after one line of what was left') or diag($watch->{out});
};

subtest 'an orderly end' => sub {
    ok($s->start, 'started again') or return;
    my @children = map $_->{pid}, @{ $s->json->{children} };
    is($s->stop, 0, 'and stopped');
    my $r = poolstat('json', '--file', $file);
    is($r->{status}, 0, 'the board is read');
    my %left = map { $_->{pid} => $_ } @{ json_of($r->{out})->{children} };
    is(join(' ', grep { $left{$_} && $left{$_}{ended_how} } @children), "@children", 'it still has the children, which ended');
    like($r->{err}, qr/the server is gone/, 'and says so');
};
done_testing;
