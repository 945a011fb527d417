# Subversion. Fresh: its cache fills in the first minute and never moves again, under checkout, commit, update and log: no finding.
# Many: repositories that are opened one after the other keep something each, once: told as growth with what is new to a child,
# or as what grew, while it lasts; idle, and with five of them in use, nothing but that it grew.
use strict;
use warnings;
use PST;
use PST::Cases;
use PST::Server;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => lacks('svn', 'svnadmin') if lacks('svn', 'svnadmin');
my $libexec = stage()->{libexec};
plan skip_all => 'not here: mod_dav_svn' unless -e "$libexec/mod_dav_svn.so";
my $prefork = mpm() eq 'prefork';
my $limits = $prefork ? "StartServers 4\nMinSpareServers 4\nMaxSpareServers 4\nServerLimit 12\nMaxRequestWorkers 12\n"
  : "StartServers 4\nServerLimit 4\nThreadsPerChild 10\nThreadLimit 10\nMinSpareThreads 40\nMaxSpareThreads 40\nMaxRequestWorkers 40\n";
my $user = $> == 0 ? 'nobody' : (getpwuid $>)[0];

sub server {
    my ($name) = @_;
    my $s = PST::Server->new("case-svn-$name", limits => $limits, conf => join '', map("LoadModule ${_}_module $libexec/mod_$_.so\n", qw(dav dav_svn)),
        "<Location /svn>\nDAV svn\nSVNParentPath \"%DIR%/repos\"\nRequire all granted\n</Location>\n");
    my $conf = PST::Stage::read_file($s->conf);
    $conf =~ s/%DIR%/$s->{dir}/g;
    PST::Stage::write_file($s->conf, $conf);
    mkdir "$s->{dir}/repos";
    return $s;
}

# So many repositories, from one: each with an identity of its own
sub repositories {
    my ($s, $count) = @_;
    my $repos = "$s->{dir}/repos";
    system('svnadmin', 'create', "$repos/r0") == 0 or die "svnadmin create\n";
    for my $i (1 .. $count - 1) {
        system('cp', '-r', "$repos/r0", "$repos/r$i") == 0 or die "cp\n";
        my $uuid = sprintf '%08x-0000-4000-8000-%012x', $$, $i;
        PST::Stage::write_file("$repos/r$i/db/uuid", "$uuid\n$uuid\n");
    }
    system('chown', '-R', $user, $repos) == 0 or die "chown\n" if $> == 0;
}

my ($fresh, $many) = map server($_), qw(fresh many);
repositories($fresh, 5);
repositories($many, 300);
for my $s ($fresh, $many) { $s->start or BAIL_OUT($s->start_text . $s->log_text) }

# Working copies: checked out, changed, updated, read
sub work {
    my ($s, $apart, $seconds) = @_;
    defined(my $pid = fork) or die "fork: $!\n";
    return $pid if $pid;
    open STDOUT, '>', '/dev/null';
    open STDERR, '>&', \*STDOUT;
    $ENV{HOME} = $s->{dir};
    my $until = time + $seconds;
    for (my $i = 0; time < $until; $i++) {
        my ($url, $wc) = ("http://127.0.0.1:$s->{port}/svn/r" . $i % 5, "$s->{dir}/wc" . $i % 5);
        system(-d $wc ? ('svn', 'update', '-q', $wc) : ('svn', 'checkout', '-q', $url, $wc));
        PST::Stage::write_file("$wc/file$_", "$i\n" x 50) for $i % 7;
        system('svn', 'add', '-q', '--force', "$wc/file" . $i % 7);
        system('svn', 'commit', '-q', '-m', $i, $wc);
        system('svn', 'log', '-q', $url);
        sleep $apart;
    }
    POSIX::_exit(0);
}

# As svn does, each on a connection of its own: mod_dav_svn keeps what it opened with the connection.
my ($opening, $idle, $using) = (150, 60, 90);
my $working = work($fresh, 0.3, $opening + $idle + $using);
my $opener = kept($many->port, 2, 1, sub { '/svn/r' . int($_[0] / 2) % 300 . '/' }, seconds => $opening, close => 1);
my (%fresh, %many, %blamed, $user_pid, %last);
my $begun = time;
looks($fresh, $opening + $idle + $using, sub {
    my ($json, $after) = @_;
    $fresh{ $_->{id} }++ for @{ $json->{findings} };
    $last{fresh} = $json if @{ $json->{findings} };
    my $m = eval { $many->json(timeout => 30) } or return 0;
    $many{ $_->{id} }++, $last{many} = $m for @{ $m->{findings} };
    $blamed{ $_->[1] }++ for blamed_ones($m);
    $user_pid //= kept($many->port, 2, 0.4, sub { '/svn/r' . $_[0] % 5 . '/' }, seconds => $using, close => 1) if $after > $opening + $idle;
    return 0;
});
is(join(' ', sort keys %fresh), '', 'a fresh server whose cache fills: no finding') or diag(said($last{fresh}));
is(join(' ', grep { !/^(?:process|heap)-(?:grows-with-new|grew)$/ } sort keys %many), '', 'repositories opened one after the other: with what is new, or nothing')
  or diag(said($last{many}));
note(join ' ', map "$_ in $many{$_} looks", sort keys %many);
note(said($last{many})) if $last{many};
is(join(' ', sort keys %blamed), '', 'and nobody to write to');
my @end = map { $_->{id} } @{ $many->json->{findings} };
is(join(' ', grep { !/-grew$/ } @end), '', 'when only five are used: nothing, or that it grew');
kill TERM => $working;
waitpid $working, 0;
ended();
is($_->stop, 0, 'stops') for $fresh, $many;
unlike($_->log_text, qr/exit signal/, 'no crash') for $fresh, $many;
done_testing;
