# HTTP/2: many streams at once, each a secondary connection with its own figures.
use strict;
use warnings;
use PST;
use Test::More;

plan skip_all => 'mod_http2 does not work with prefork' if mpm() eq 'prefork';
plan skip_all => lacks('nghttp') if lacks('nghttp');

my $port    = stage()->{port_h2};
# mod_http2 begins with six streams of a connection at a time, so: several connections
my $CONNECTIONS = 4;
my $EACH = 5;
my $STREAMS = $CONNECTIONS * $EACH;
my $BYTES   = 4 * 1024 * 1024;

sub in_background {
    my (@command) = @_;
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec @command or exit 127;
    }
    return $pid;
}

sub quiet {
    my ($what) = @_;
    my @wrong;
    wait_for(sub { @wrong = books_balance(json_now()); !@wrong }, 10);
    is("@wrong", '', "the books balance $what");
}

subtest "$STREAMS streams of $CONNECTIONS connections" => sub {
    my @t = map { { name => token('h2') . 'z', hold0 => token('a'), hold => token('b') } } 1 .. $STREAMS;
    my @uri = map "http://127.0.0.1:$port/poolprobe?n=$_->{name}&pool=request&bytes=$BYTES&hold0=$_->{hold0}&hold=$_->{hold}", @t;
    my @client;
    push @client, in_background('nghttp', '-n', splice @uri, 0, $EACH) while @uri;
    my $all_at = sub {
        my ($hold) = @_;
        my %report;
        for my $t (@t) {
            my $seen;
            wait_for(sub { $seen = json_of(fetch("/poolprobe?peek=$t->{$hold}")->{body}); $seen && $seen->{arrived} }, 20)
              or return;
            $report{ $t->{name} } = $seen->{report};
        }
        return \%report;
    };
    ok($all_at->('hold0'), 'all have come');
    my $json = json_now();
    my %a = map { my $t = $_; ($t->{name} => scalar row_of($json, $t->{name})) } @t;
    is(scalar(grep defined, values %a), $STREAMS, 'a row each');
    my %kinds = map { ($_->{kind} => 1) } grep defined, values %a;
    is(join(' ', sort keys %kinds), 'secondary', 'of kind secondary');
    my %masters = map { ("$_->{pid} " . ($_->{master} // 'none') => 1) } grep defined, values %a;
    is(scalar(keys %masters), $CONNECTIONS, 'with a master each connection') or diag(join ', ', keys %masters);
    my @masters = map { [ split / / ] } sort keys %masters;
    for my $master (@masters) {
        my $primary = row_by_id($json, @$master);
        ok($primary, 'which has a row') or next;
        is($primary->{kind}, 'client', 'of kind client');
        is($primary->{protocol}, 'h2c', 'whose protocol is h2c');
    }

    fetch("/poolprobe?release=$_->{hold0}") for @t;
    my $report = $all_at->('hold');
    ok($report, 'all have allocated');
    $json = json_now();
    my @bad;
    for my $t (@t) {
        my $b = row_of($json, $t->{name});
        my $r = $report->{ $t->{name} };
        my $grown = $r->{reserved_after} - $r->{reserved_before};
        push @bad, "$t->{name}: " . ($b ? "$b->{request}{reserved_bytes}, $b->{reserved_bytes}" : 'no row')
          unless $b && $r && $a{ $t->{name} } && $b->{request}{reserved_bytes} - $a{ $t->{name} }{request}{reserved_bytes} == $grown
          && $b->{reserved_bytes} - $a{ $t->{name} }{reserved_bytes} == $grown && $grown >= $BYTES;
    }
    is(scalar @bad, 0, 'each row grew by what its probe saw, exactly') or diag(join "\n", @bad);

    fetch("/poolprobe?release=$_->{hold}") for @t;
    for (@client) {
        waitpid $_, 0;
        is($?, 0, 'the client is content');
    }
    ok(wait_for(sub { !grep { $_->{kind} eq 'secondary' } rows(json_now()) }, 15), 'no secondary row is left')
      or diag(explain([ grep { $_->{kind} eq 'secondary' } rows(json_now()) ]));
    ok(wait_for(sub { my $j = json_now(); !grep { row_by_id($j, @$_) } @masters }, 15), 'nor a connection that carried them');
    quiet('afterwards');
};

subtest 'thousands of streams' => sub {
    my $out = `h2load -n 4000 -c 4 -m 50 http://127.0.0.1:$port/small.txt 2>&1`;
    like($out, qr/4000 succeeded/, '4000 requests') or diag($out);
    $out = `h2load -n 400 -c 2 -m 100 'http://127.0.0.1:$port/poolprobe?pool=subpool&bytes=200000&output=100' 2>&1`;
    like($out, qr/400 succeeded/, '400 that allocate') or diag($out);
    ok(wait_for(sub { !grep { $_->{kind} eq 'secondary' } rows(json_now()) }, 15), 'no secondary row is left');
    quiet('afterwards');
};

subtest 'a client that goes away in the middle' => sub {
    my @t = map { token('h2x') } 1 .. 6;
    my $name = token('n');
    my $pid = in_background('nghttp', '-n', map "http://127.0.0.1:$port/poolprobe?n=$name&pool=request&bytes=100000&hold=$_", @t);
    for my $t (@t) {
        ok(wait_for(sub { my $s = json_of(fetch("/poolprobe?peek=$t")->{body}); $s && $s->{arrived} }, 20), 'a stream waits');
    }
    kill KILL => $pid;
    waitpid $pid, 0;
    fetch("/poolprobe?release=$_") for @t;
    ok(wait_for(sub { !grep { $_->{kind} eq 'secondary' } rows(json_now()) }, 20), 'all rows go');
    quiet('afterwards');
};

done_testing;
