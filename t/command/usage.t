# --help, the man page and the completion list the same subcommands and options; what is not
# understood is said, with status 2.
use strict;
use warnings;
use PST;
use PST::Command;
use Test::More;

plan skip_all => 'does not depend on the MPM' if mpm() ne 'event';

my $docs = PST::stage()->{top} . '/t/shipped';
my $help = poolstat('--help');
is($help->{status}, 0, '--help');
my ($commands, $options) = $help->{out} =~ /Subcommands:\n(.*?)\n\nOptions:\n(.*?)\n\n/s or BAIL_OUT($help->{out});
my @commands = $commands =~ /^  ([a-z]\S*)/mg;
my %letter = reverse map { /^  (?:(-\w), |    )(--[a-z-]+)/ ? ($1 // "none of $2", $2) : () } split /\n/, $options;
my @options = sort keys %letter;
cmp_ok(scalar @commands, '>=', 7, "subcommands: @commands");
cmp_ok(scalar @options, '>=', 12, "options: @options");

# per subcommand, as it says itself
my %takes = ('' => []);
for my $c (@commands) {
    my $r = poolstat($c, '--help');
    is($r->{status}, 0, "$c --help");
    $takes{$c} = [ grep { $_ ne '--version' } sort $r->{out} =~ /^  (?:-\w, |    )(--[a-z-]+)/mg ];
}
my %all = map { $_ => 1 } map @$_, values %takes;

subtest 'help' => sub {
    for my $c (@commands) {
        my $said = poolstat('help', $c);
        is($said->{status}, 0, "help $c");
        is($said->{out}, poolstat($c, '--help')->{out}, "is what $c --help says");
        my ($sentence) = $said->{out} =~ /^Usage: poolstat \Q$c\E.*\n(.*)\.$/m;
        like($sentence // '', qr/^[A-Z][^.]{20,}/, 'a sentence that stands alone');
        unlike($sentence // 'the same', qr/\bthe same\b/, 'of its own');
    }
    is(poolstat('help')->{out}, $help->{out}, 'help is --help');
    like(poolstat('help', 'top')->{out}, qr/each second.*; 1 by default/s, 'top has its interval');
    like(poolstat('--help')->{out}, qr/10 largest.*: 10 by default, 100 for text/s, 'the table its limit');
    my ($long) = grep length > 80, split /\n/, poolstat({ COLUMNS => 80 }, 'help')->{out};
    is($long, undef, 'in lines that fit');
};
delete @all{qw(--help)};

subtest 'man page' => sub {
    my $man = PST::Stage::read_file("$docs/poolstat.1");
    my ($section) = $man =~ /^\.SH SUBCOMMANDS\n(.*?)^\.SH /ms;
    is(join(' ', sort $section =~ /^\.TP\n\.BR? "?([a-z]+)/mg), join(' ', sort @commands), 'the subcommands');
    ($section) = $man =~ /^\.SH OPTIONS\n(.*?)^\.SH /ms;
    $section =~ s/\\-/-/g;
    my @tags = $section =~ /^\.TP\n(.*)$/mg;
    my %has = map { /(--[a-z-]+)/ ? ($1 => $_) : () } @tags;
    is(join(' ', sort keys %has), "@options", 'the options');
    for my $o (@options) {
        my ($is) = ($has{$o} // '') =~ /(?<!-)(-\w)\b/;
        is($is // "none of $o", $letter{$o}, "$o and its letter");
    }
    ($section) = $man =~ /^\.SH EXIT STATUS\n(.*?)^\.SH /ms;
    is(join(' ', $section =~ /^\.B (\d)$/mg), '0 1 2 3 4 5 6 7', 'the statuses');
    is(join(' ', $help->{out} =~ /Exit status:(.*)/s ? $1 =~ /\b(\d) [a-z]/g : ()), '0 1 2 3 4 5 6 7', 'that --help has, too');
};

subtest 'page of the manual' => sub {
    my $page = PST::Stage::read_file("$docs/command.md");
    like($page, qr/^    poolstat (?:.*\W)?\Q$_\E\b/m, "names $_") for @commands;
    my %known = map { $_ => 1 } @options;
    is(join(' ', grep !$known{$_}, $page =~ /(?<!\w)(--[a-z]+)/g), '', 'no option that there is not');
    my ($heading) = $page =~ /^ +(Pid +Age .*State)$/m;
    my %has = map { $_ => 1 } split /  +/, $heading // '';
    ok($has{$_}, "its table has $_") for qw(PSS Held Retained Growth);
    like($page =~ s/\n +/ /gr, qr/Held .* \+ Retained \d/, 'its sums end with Retained');
};

subtest 'completion' => sub {
    my $complete = sub {
        my @words = @_;
        my $list = join ' ', map "'$_'", 'poolstat', @words;
        my $text = `bash -c '. $docs/poolstat.bash; COMP_WORDS=(\$0 "\$@"); COMP_CWORD=\$#; _poolstat; echo "\${COMPREPLY[*]}"' $list`;
        return join ' ', sort split ' ', $text;
    };
    is($complete->(''), join(' ', sort @commands), 'the subcommands');
    for my $c (@commands) {
        is($complete->($c, '-'), "@{ $takes{$c} }", "options of $c");
    }
    my %none = map { $_ => 1 } split ' ', $complete->('--');
    is(join(' ', grep !$all{$_} && !/^--(?:level|describe|version|help)$/, sort keys %none), '', 'those without a subcommand are options');
    is($complete->('doctor', '--severity', ''), 'critical info warning', 'severities');
    is($complete->('help', ''), join(' ', sort @commands), 'help completes subcommands');
    my %orders = map { $_ => 1 } poolstat('--sort', 'x')->{err} =~ /be (.*), not "x"/ ? split /, | or /, $1 : ();
    is($complete->('--sort', ''), join(' ', sort keys %orders), 'orders') if %orders;
};

subtest 'refused' => sub {
    for my $wrong ([ 'nonsense' ], [ '--nonsense' ], [ 'json', '--limit', '3' ], [ '--pid' ], [ '--pid', 'x' ], [ '--pid', '0' ],
        [ '--pid=99999999999' ], [ 'watch', '--interval', '0' ], [ 'watch', '-n', '-1' ], [ '--sort', 'size' ], [ '--gone=1' ],
        [ 'json', 'json' ], [ 'help', 'nonsense' ], [ 'help', 'top', 'json' ], [ 'doctor', '--severity', 'x' ], [ 'top', '--limit', 3 ], [ 'tree', '1', '--min', '99999999999G' ], [ 'tree', '1', '--min', '1X' ], [ '--describe=html' ], [ '--file', '' ], [ 'top', '--kind', '' ], [ '-' ]) {
        my $r = poolstat(@$wrong);
        is($r->{status}, 2, "poolstat @$wrong");
        like($r->{err}, qr/^poolstat: .+/, 'with a sentence');
        is($r->{out}, '', 'and nothing on stdout');
    }
    for my $evil ([ "\e]0;evil\a" ], [ "--\e]0;evil\a" ], [ 'top', "\e]0;evil\a" ], [ '--pid', "\e]0;evil\a" ], [ 'help', "\e]0;evil\a" ]) {
        my $r = poolstat(@$evil);
        unlike($r->{err}, qr/[\0-\x09\x0b-\x1f\x7f]/, 'what was typed is not sent back to the terminal as it is');
        like($r->{err}, qr/\\x1b\]0;evil\\x07/, 'but escaped');
    }
};

subtest 'what was meant' => sub {
    my %meant = (tpo => 'top', doc => 'doctor', watchh => 'watch', jsn => 'json', hlep => 'help', metrcs => 'metrics');
    for my $typed (sort keys %meant) {
        is(poolstat($typed)->{err}, qq(poolstat: there is no subcommand "$typed"; did you mean $meant{$typed}\n), $typed);
    }
    is(poolstat('help', 'tpo')->{err}, poolstat('tpo')->{err}, 'help tpo');
    unlike(poolstat('xyzzy')->{err}, qr/mean/, 'xyzzy is near nothing');
    unlike(poolstat('t' x 5000)->{err}, qr/mean/, 'a long word neither');
    my %options = ('--intreval' => [ 'top', '--interval' ], '--limt=3' => [ '--limit' ], '--sevrity' => [ 'doctor', '--severity' ]);
    for my $typed (sort keys %options) {
        my ($option, $command) = reverse @{ $options{$typed} };
        is(poolstat(grep(defined, $command), $typed)->{err}, qq(poolstat: there is no option "$typed"; did you mean $option\n), $typed);
    }
    is(poolstat('--intreval', 3, 'top')->{err}, qq(poolstat: there is no option "--intreval"; did you mean --interval\n), 'and not its value a subcommand');
    is(poolstat('json', '--limit', 3)->{err}, "poolstat: json takes no --limit; see poolstat help json\n", 'one of another subcommand');
};

subtest 'what needs no server' => sub {
    like(poolstat('--version')->{out}, qr/^poolstat \d+\.\d+\.\d+, reads boards of version \d+, APR \d/, '--version');
    my $describe = poolstat('--describe')->{out};
    like($describe, qr/^  $_ \(/m, "--describe: $_") for qw(reserved_bytes held_bytes class_reserved_bytes);
    like(poolstat('--describe=markdown')->{out}, qr/^\| `reserved_bytes` \|/m, '--describe=markdown');
    is(poolstat('top', '--file', '/dev/null')->{status}, 5, 'no board');
};
done_testing;
